import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { conditionTypes, reasons } from "./conditions.ts";
import * as kinds from "./kinds.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/conditions.md"), "utf8");
const [types = "", reasonTable = ""] = page.split("## Reasons");
const firstColumn = (text: string) => [...text.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);

describe("docs/conditions.md", () => {
  it("explains every condition type, and no other", () => {
    expect(new Set(firstColumn(types))).toEqual(new Set(conditionTypes));
  });

  it("explains every reason, in the order of the list, and no other", () => {
    expect(firstColumn(reasonTable)).toEqual([...reasons]);
    expect(new Set(reasons).size).toBe(reasons.length);
  });

  it("says of every reason what it means and what to do", () => {
    const rows = [...reasonTable.matchAll(/^\| `\w+` \|.*$/gm)].map(([row]) => row.split("|").slice(1, -1));
    expect(rows).toHaveLength(reasons.length);
    expect(rows.filter((cells) => cells.length !== 3 || cells.some((cell) => cell.trim() === ""))).toEqual([]);
  });
});

describe("the list of reasons", () => {
  it("has none that nothing gives", () => {
    const root = join(import.meta.dirname, "../..");
    const sources = globSync("{src,controllers,webhooks}/**/*.ts", {
      cwd: root,
      exclude: ["**/*.test.ts", "src/api/**"],
    });
    const code = sources.map((path) => readFileSync(join(root, path), "utf8")).join("\n");
    expect(reasons.filter((reason) => !code.includes(`"${reason}"`))).toEqual([]);
  });
});

/** InstanceReport is between the operator and its sidecars only. */
const shown = [kinds.objectStores, kinds.stanzas, kinds.archives, kinds.backups, kinds.backupSchedules].map(
  ({ kind }) => kind,
);

describe("each kind that people see", () => {
  it("is one of the kind table's, but for InstanceReport", () => {
    const all = Object.values(kinds).flatMap((value) => (typeof value === "object" ? value.kind : []));
    expect(new Set([...shown, kinds.instanceReports.kind])).toEqual(new Set(all));
  });

  it.each(shown)("%s has a page that leads here, and its Ready is explained", (kind) => {
    const path = join(import.meta.dirname, "../../docs", `${kind.toLowerCase()}.md`);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, "utf8")).toContain("(conditions.md)");
    expect(types).toContain(`| \`Ready\` | ${kind} |`);
  });
});

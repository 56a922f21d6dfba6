import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { conditionTypes, reasons } from "./conditions.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/conditions.md"), "utf8");
const [types = "", reasonTable = ""] = page.split("## Reasons");
const firstColumn = (text: string) => [...text.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);

describe("docs/conditions.md", () => {
  it("explains every condition type, and no other", () => {
    expect(new Set(firstColumn(types))).toEqual(new Set(conditionTypes));
  });

  it("explains every reason, in the order of the list, and no other", () => {
    expect(firstColumn(reasonTable)).toEqual([...reasons]);
  });
});

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseOverrides, parseTarBlock } from "./tar-entry.ts";
import { readTar } from "./tar-reader.ts";

async function* whole(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}

/** What GNU tar or Python's tarfile make of a file with a long name, in each of their formats. */
async function namesIn(format: (folder: string) => void): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tar-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "n".repeat(150)), "content");
  format(folder);
  const names: string[] = [];
  for await (const { entry, body } of readTar(whole(readFileSync(join(folder, "a.tar"))))) {
    names.push(`${entry.path.length} ${Buffer.concat(await Array.fromAsync(body)).toString()}`);
  }
  return names;
}

describe("readTar", () => {
  it.each(["gnu", "posix"])("reads long names as tar writes them in its %s format", async (format) => {
    const make = (folder: string): void => {
      execFileSync("tar", ["cf", "a.tar", `--format=${format}`, "n".repeat(150)], { cwd: folder });
    };
    expect(await namesIn(make)).toEqual(["150 content"]);
  });

  it("reads long names as Python's tarfile writes them", async () => {
    const script = "import tarfile; t = tarfile.open('a.tar', 'w'); t.add('n' * 150); t.close()";
    expect(await namesIn((folder) => void execFileSync("python3", ["-c", script], { cwd: folder }))).toEqual([
      "150 content",
    ]);
  });
});

describe("parseTarBlock", () => {
  it("reads sizes from 8 GiB on in GNU's binary form", () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-tar-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "big"), "");
    truncateSync(join(folder, "big"), 9_000_000_000);
    const head = execFileSync("sh", ["-c", "tar c --format=gnu big | head -c 512"], { cwd: folder });
    expect(parseTarBlock(head)).toMatchObject({ kind: "entry", path: "big", size: 9_000_000_000 });
  });

  it("refuses hard links and devices", () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-tar-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const archive = execFileSync("sh", ["-c", "echo x > a; ln a b; tar c a b"], { cwd: folder });
    expect(() => parseTarBlock(archive.subarray(1024, 1536))).toThrow("holds b, which is of an unknown type");
  });
});

describe("parseOverrides", () => {
  it.each(["nonsense", "9999 path=a\n", "7 size=x\n", "10 size=-1\n"])("refuses the record %j", (record) => {
    expect(() => parseOverrides("pax", Buffer.from(record))).toThrow("the backup's archive is damaged");
  });
});

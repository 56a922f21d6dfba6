import { chmodSync, existsSync, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeTarHeader, tarPaddingBytes, type TarHeader } from "../backup/tar-header.ts";
import { Extractor } from "./untar.ts";

interface Member {
  readonly path: string;
  readonly kind?: TarHeader["kind"];
  readonly target?: string;
  readonly content?: string | Buffer;
}

const wholeBackup: readonly Member[] = [
  { path: ".", kind: "directory" },
  { path: "PG_VERSION", content: "15\n" },
  { path: "base", kind: "directory" },
  { path: "base/5", kind: "directory" },
  { path: "base/5/1259", content: Buffer.alloc(3_000_000, "r") },
  { path: "global/pg_control", content: "control" },
  { path: "backup_label", content: "label" },
];

function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ path, kind = "file", target, content = "" }) => {
    const body = Buffer.from(content);
    const header = encodeTarHeader({
      kind,
      path,
      size: kind === "file" ? body.length : 0,
      modifiedAt: 0,
      ...(target === undefined ? {} : { target }),
    });
    return [header, body, Buffer.alloc(tarPaddingBytes(body.length))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

async function* inPieces(content: Buffer, bytes = 700_001): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

function emptyDirectory(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-untar-"));
  onTestFinished(() => {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

async function extract(
  members: readonly Member[],
  pgdata = emptyDirectory(),
): Promise<{ pgdata: string; extractor: Extractor }> {
  const extractor = new Extractor(pgdata, { onBytes: () => {}, signal: new AbortController().signal });
  await extractor.extract(inPieces(tar(members)));
  return { pgdata, extractor };
}

describe("Extractor", () => {
  it("writes files and directories for their owner alone", async () => {
    const { pgdata } = await extract(wholeBackup);
    expect(readFileSync(join(pgdata, "PG_VERSION"), "utf8")).toBe("15\n");
    expect(readFileSync(join(pgdata, "base/5/1259")).equals(Buffer.alloc(3_000_000, "r"))).toBe(true);
    expect(lstatSync(join(pgdata, "base/5/1259")).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(pgdata, "base/5")).mode & 0o777).toBe(0o700);
  });

  it("is done with a chunk when it asks for the next one", async () => {
    const pgdata = emptyDirectory();
    const files = Array.from({ length: 40 }, (_, index) => ({
      path: `base/${index}`,
      content: Buffer.alloc(index % 10 === 0 ? 1_300_000 : 5_000 + index, index + 1),
    }));
    const memory = Buffer.alloc(64 * 1024);
    async function* inOneMemory(): AsyncGenerator<Buffer> {
      const archive = tar(files);
      for (let at = 0; at < archive.length; at += memory.length) yield memory.subarray(0, archive.copy(memory, 0, at));
    }
    const extractor = new Extractor(pgdata, { onBytes: () => {}, signal: new AbortController().signal });
    await extractor.extract(inOneMemory());
    for (const { path, content } of files) expect(readFileSync(join(pgdata, path)).equals(content)).toBe(true);
  });

  it("holds the control file back", async () => {
    const { pgdata, extractor } = await extract(wholeBackup);
    expect(existsSync(join(pgdata, "global/pg_control"))).toBe(false);
    expect(extractor.finish().toString()).toBe("control");
  });

  it("is no backup without its control file or label", async () => {
    for (const path of ["global/pg_control", "backup_label"]) {
      const { extractor } = await extract(wholeBackup.filter((member) => member.path !== path));
      expect(() => extractor.finish()).toThrow(`the backup holds no ${path}`);
    }
  });

  it("makes parents that an archive leaves out", async () => {
    const { pgdata } = await extract([{ path: "a/b/c", content: "deep" }]);
    expect(readFileSync(join(pgdata, "a/b/c"), "utf8")).toBe("deep");
  });

  it("leaves the place of the WAL to its caller", async () => {
    const { pgdata } = await extract([
      { path: "pg_wal", kind: "link", target: "/var/lib/postgresql/wal/pg_wal" },
      { path: "pg_wal/000000010000000000000001", content: "wal" },
    ]);
    expect(existsSync(join(pgdata, "pg_wal"))).toBe(false);
  });

  it("makes links, but never writes through one", async () => {
    const outside = emptyDirectory();
    const pgdata = emptyDirectory();
    await extract([{ path: "conf", kind: "link", target: outside }], pgdata);
    expect(readlinkSync(join(pgdata, "conf"))).toBe(outside);
    const through = [
      { path: "way", kind: "link", target: outside },
      { path: "way/file", content: "escaped" },
    ] as const;
    await expect(extract(through)).rejects.toMatchObject({ kind: "Corrupt", message: "the backup holds way twice" });
    expect(existsSync(join(outside, "file"))).toBe(false);
  });

  it.each(["../escaped", "base/../../escaped", "/etc/escaped"])("refuses the path %s", async (path) => {
    await expect(extract([{ path, content: "x" }])).rejects.toMatchObject({ kind: "Corrupt" });
  });

  it("refuses tablespaces", async () => {
    await expect(extract([{ path: "pg_tblspc/16388", kind: "link", target: "/mnt" }])).rejects.toMatchObject({
      kind: "Unsupported",
      message: "restoring tablespaces is not supported yet: the backup holds pg_tblspc/16388",
    });
  });

  it("refuses an archive that holds a file twice", async () => {
    const twice = [{ path: "a" }, { path: "a" }];
    await expect(extract(twice)).rejects.toMatchObject({ kind: "Corrupt", message: "the backup holds a twice" });
  });

  it.each([100, 512, 600, 3_000_000])("refuses an archive that ends after %i bytes", async (bytes) => {
    const extractor = new Extractor(emptyDirectory(), { onBytes: () => {}, signal: new AbortController().signal });
    const cut = tar(wholeBackup).subarray(0, bytes);
    await expect(extractor.extract(inPieces(cut))).rejects.toMatchObject({ kind: "Corrupt" });
  });

  it("refuses an archive that goes on after its end", async () => {
    const archive = tar(wholeBackup);
    // The header of the second member, whose content and all members after it would be passed over.
    archive.fill(0, 512, 1024);
    const extractor = new Extractor(emptyDirectory(), { onBytes: () => {}, signal: new AbortController().signal });
    await expect(extractor.extract(inPieces(archive))).rejects.toMatchObject({
      kind: "Corrupt",
      message: "the backup's archive is damaged: it goes on after its end mark",
    });
  });

  it("refuses a header that was changed on the way", async () => {
    const archive = tar(wholeBackup);
    archive[512] = 0x41;
    const extractor = new Extractor(emptyDirectory(), { onBytes: () => {}, signal: new AbortController().signal });
    await expect(extractor.extract(inPieces(archive))).rejects.toThrow("a header has a wrong checksum");
  });
});

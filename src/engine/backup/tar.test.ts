import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { readTar } from "../restore/tar-reader.ts";
import { encodeTarHeader, type TarHeader } from "./tar-header.ts";
import { TarPacker, type TarLimits, type TarMember } from "./tar.ts";

const wide: TarLimits = { chunkBytes: 4096, volumeBytes: 1e12, volumeBytesMax: 1e12 };

interface Sketch {
  readonly path: string;
  readonly kind?: TarHeader["kind"];
  readonly target?: string;
  /** The size that the header says; the content's when absent. */
  readonly size?: number;
  readonly content?: Buffer;
  readonly onClose?: () => void;
}

async function* members(sketches: readonly Sketch[]): AsyncGenerator<TarMember> {
  for (const { path, kind = "file", target, content = Buffer.alloc(0), size = content.length, onClose } of sketches) {
    let position = 0;
    yield {
      header: { kind, path, size, modifiedAt: 1_795_253_269, ...(target === undefined ? {} : { target }) },
      read: async (into) => {
        const bytes = content.copy(into, 0, position);
        position += bytes;
        return bytes;
      },
      close: async () => onClose?.(),
    };
  }
}

async function volumes(sketches: readonly Sketch[], limits: TarLimits = wide): Promise<Buffer[]> {
  const packer = new TarPacker(members(sketches), limits);
  const packed: Buffer[] = [];
  while (await packer.hasMore()) packed.push(Buffer.concat(await Array.fromAsync(packer.volume())));
  return packed;
}

async function unpack(
  archive: Buffer,
): Promise<readonly { path: string; kind: string; target?: string; content: Buffer }[]> {
  const found = [];
  for await (const { entry, body } of readTar(pieces(archive, 1000))) {
    const content = Buffer.concat(await Array.fromAsync(body));
    found.push({
      path: entry.path,
      kind: entry.kind,
      content,
      ...(entry.target === undefined ? {} : { target: entry.target }),
    });
  }
  return found;
}

async function* pieces(content: Buffer, bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += bytes) yield content.subarray(at, at + bytes);
}

describe("TarPacker", () => {
  it("gives back what was packed, whatever the sizes and names", async () => {
    const name = fc.oneof(
      fc.stringMatching(/^[a-z0-9_.]{1,20}$/).filter((text) => !/^\.+$/.test(text)),
      fc.stringMatching(/^[a-zé]{101,180}$/),
    );
    const sketch = fc.record({
      path: name,
      content: fc.uint8Array({ maxLength: 9000 }).map((bytes) => Buffer.from(bytes)),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(sketch, { maxLength: 8 }), async (sketches) => {
        const [archive = Buffer.alloc(1024)] = await volumes(sketches);
        const expected = sketches.map(({ path, content }) => ({ path, kind: "file", content }));
        expect(await unpack(archive)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("cuts chunks of one size", async () => {
    const packer = new TarPacker(members([{ path: "a", content: Buffer.alloc(10_000, 1) }]), wide);
    const sizes = (await Array.fromAsync(packer.volume())).map((chunk) => chunk.length);
    expect(sizes).toEqual([4096, 4096, 512 + 10_240 + 1024 - 8192]);
  });

  it("pads a file that became shorter and cuts one that became longer", async () => {
    const [archive] = await volumes([
      { path: "shrunk", size: 700, content: Buffer.from("abc") },
      { path: "grown", size: 2, content: Buffer.from("xyz") },
      { path: "after", content: Buffer.from("!") },
    ]);
    const found = await unpack(archive!);
    expect(found[0]!.content).toEqual(Buffer.concat([Buffer.from("abc"), Buffer.alloc(697)]));
    expect(found.slice(1).map(({ path, content }) => [path, content.toString()])).toEqual([
      ["grown", "xy"],
      ["after", "!"],
    ]);
  });

  it("begins the next volume before the member that would not fit", async () => {
    const limits = { chunkBytes: 4096, volumeBytes: 6000, volumeBytesMax: 100_000 };
    const packed = await volumes(
      [
        { path: "a", content: Buffer.alloc(2000) },
        { path: "b", content: Buffer.alloc(2000) },
        { path: "large", content: Buffer.alloc(9000) },
        { path: "c", content: Buffer.alloc(10) },
      ],
      limits,
    );
    const paths = await Promise.all(packed.map(async (volume) => (await unpack(volume)).map(({ path }) => path)));
    expect(paths).toEqual([["a"], ["b"], ["large"], ["c"]]);
  });

  it("refuses a file that no object can hold", async () => {
    const limits = { chunkBytes: 4096, volumeBytes: 6000, volumeBytesMax: 10_000 };
    await expect(volumes([{ path: "huge", size: 20_000 }], limits)).rejects.toMatchObject({
      kind: "Unsupported",
      message: "huge has 20000 bytes, more than one object can hold",
    });
  });

  it("closes what it pulled when its reader gives up", async () => {
    const closed: string[] = [];
    const packer = new TarPacker(
      members(["a", "b"].map((path) => ({ path, content: Buffer.alloc(10_000), onClose: () => closed.push(path) }))),
      wide,
    );
    for await (const _ of packer.volume()) break;
    await packer.close();
    expect(closed).toEqual(["a"]);
  });

  it("is read by tar and by Python's tarfile alike", async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-tar-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const long = `base/5/${"x".repeat(120)}`;
    const [archive] = await volumes([
      { path: ".", kind: "directory" },
      { path: "base", kind: "directory" },
      { path: long, content: Buffer.from("long name") },
      { path: "größe", content: Buffer.from("umlauts") },
      { path: "link", kind: "link", target: "elsewhere" },
    ]);
    writeFileSync(join(folder, "a.tar"), archive!);
    const listing = execFileSync("tar", ["tvf", "a.tar", "--numeric-owner", "--utc"], {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
    expect(listing.split("\n")).toEqual([
      "drwx------ 26/26             0 2026-11-21 09:27 ./",
      "drwx------ 26/26             0 2026-11-21 09:27 base/",
      `-rw------- 26/26             9 2026-11-21 09:27 ${long}`,
      "-rw------- 26/26             7 2026-11-21 09:27 größe",
      "lrwxrwxrwx 26/26             0 2026-11-21 09:27 link -> elsewhere",
      "",
    ]);
    const script = "import tarfile; t = tarfile.open('a.tar'); print([(m.name, m.size, m.uname) for m in t])";
    expect(execFileSync("python3", ["-c", script], { cwd: folder, encoding: "utf8" }).trim()).toBe(
      `[('.', 0, 'postgres'), ('base', 0, 'postgres'), ('${long}', 9, 'postgres'), ('größe', 7, 'postgres'), ('link', 0, 'postgres')]`,
    );
  });
});

describe("encodeTarHeader", () => {
  it("says sizes from 8 GiB on in a pax record, and smaller ones in the header", () => {
    const header = (size: number): Buffer => encodeTarHeader({ kind: "file", path: "big", size, modifiedAt: 0 });
    expect(header(8 ** 11 - 1).length).toBe(512);
    expect(
      header(8 ** 11)
        .subarray(512, 532)
        .toString(),
    ).toBe("19 size=8589934592\n\0");
  });

  it("counts its own digits in a record's length", () => {
    for (const length of [101, 102, 988, 989, 990, 991]) {
      const path = "p".repeat(length);
      const record = encodeTarHeader({ kind: "file", path, size: 0, modifiedAt: 0 }).subarray(512).toString("latin1");
      const said = Number(record.slice(0, record.indexOf(" ")));
      expect(record.slice(0, said)).toBe(`${said} path=${path}\n`);
    }
  });
});

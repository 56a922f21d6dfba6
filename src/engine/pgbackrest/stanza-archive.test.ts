import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createLogger } from "#observe/logger.ts";
import { openPgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import type { S3Repository, StanzaConfig } from "#repository/pgbackrest/config.ts";
import { createFetcher } from "../archive/fetcher.ts";
import { stanzaArchive } from "./stanza-archive.ts";

const name = "000000010000000000000001";
const repository = (key: number): S3Repository => {
  const place = { bucket: "b", path: `/${key}`, endpoint: "https://127.0.0.1:1", region: "r" };
  return { type: "s3", key, verifyTls: true, uriStyle: "path", ...place };
};

/** An archive of repositories whose archive-get hears no SIGTERM; the second one has the file if there is one. */
async function deafArchive(repositories: number) {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-deaf-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "program");
  // Its last word is the path that it writes to.
  const lines = [
    `for path; do :; done`,
    // Other commands have no path.
    `case "$1" in archive-get) ;; *) exit 1;; esac`,
    `case "$*" in *--repo=2*) echo wal >"$path"; exit 0;; esac`,
    `trap '' TERM`,
    `echo "$$ $path" >>${folder}/started`,
    `echo part >"$path"`,
    `exec sleep 60`,
  ];
  await writeFile(program, `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
  const config: StanzaConfig = {
    stanza: "main",
    repositories: Array.from({ length: repositories }, (_, index) => repository(index + 1)),
    credentials: { kind: "repositories", each: Array.from({ length: repositories }, () => ({})) },
    processMax: 1,
    archive: { async: false, getQueueBytes: 0 },
    startFast: true,
    delta: false,
    logLevel: "error",
    backup: { fullEveryDays: 7, chainMax: 30 },
    variables: {},
  };
  const pgbackrest = await openPgbackrest(config, { scratch: join(folder, "scratch"), program });
  const started = async (): Promise<readonly { readonly pid: number; readonly path: string }[]> => {
    const lines = await readFile(join(folder, "started"), "utf8").catch(() => "");
    return [...lines.matchAll(/^(\d+) (.*)$/gm)].map(([, pid, path]) => ({ pid: Number(pid), path: path ?? "" }));
  };
  return { folder, archive: stanzaArchive(pgbackrest, { name: "main" }), started };
}

const isAlive = async (pid: number): Promise<boolean> =>
  / [RSD] /.test(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""));

it("answers a running instance at its limit, and ends what still asks without leaving a process or a file", async () => {
  const { folder, archive, started } = await deafArchive(1);
  const fetcher = createFetcher({ spoolDirectory: join(folder, "spool"), logger: createLogger("error") });
  onTestFinished(() => fetcher.close());
  const destination = join(folder, "RECOVERYXLOG");
  const signal = new AbortController().signal;
  const begun = performance.now();
  const fetched = fetcher.fetch({ name, destination, archive, segmentBytes: 16, mode: "running", signal });
  await expect(fetched).rejects.toMatchObject({ kind: "Unavailable" });
  expect(performance.now() - begun).toBeLessThan(3_500);
  const [first] = await started();
  expect(await isAlive(first!.pid)).toBe(true);
  await expect.poll(() => isAlive(first!.pid), { timeout: 10_000 }).toBe(false);
  await expect.poll(() => readdir(folder), { timeout: 5_000 }).not.toContainEqual(expect.stringContaining("RECOVERY"));
});

it("waits for no repository that is slower than the one that has the file, and lends its place to nobody", async () => {
  const { folder, archive, started } = await deafArchive(2);
  const path = join(folder, "wal");
  const signal = AbortSignal.timeout(15_000);
  const begun = performance.now();
  await archive.download({ name, segmentBytes: 16 }, path, signal);
  expect(performance.now() - begun).toBeLessThan(2_500);
  expect(await readFile(path, "utf8")).toBe("wal\n");
  const left = await started();
  expect(left).toHaveLength(1);
  // The repository that had it is asked first from now on; when all are to be asked, nobody writes where another one does.
  const again = await deafArchive(1);
  const both = AbortSignal.timeout(500);
  const place = join(again.folder, "wal");
  const request = { name, segmentBytes: 16 };
  await Promise.all([1, 2].map(() => expect(again.archive.download(request, place, both)).rejects.toThrow()));
  const places = (await again.started()).map((each) => each.path);
  expect(new Set(places).size).toBe(2);
  for (const { pid } of [...left, ...(await again.started())])
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});

it("has only so many processes that nobody waits for", async () => {
  const { folder, archive, started } = await deafArchive(1);
  const request = { name, segmentBytes: 16 };
  for (let call = 0; call < 12; call++) {
    const hurried = new AbortController();
    const asked = archive.download(request, join(folder, "wal"), hurried.signal);
    const isOver = (): boolean => hurried.signal.aborted;
    await expect.poll(async () => (await started()).length > call || call >= 8 || isOver()).toBe(true);
    hurried.abort(new Error("too long"));
    await expect(asked).rejects.toThrow("too long");
  }
  const pids = (await started()).map(({ pid }) => pid);
  expect(pids).toHaveLength(8);
  for (const pid of pids) await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
});

// Where given-up WAL is written down: in more than one folder, because the volume that has room while PostgreSQL's disk fills
// up is not always the one that outlives the pod. What one of them says counts.
import { readFileSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "#observe/logger.ts";

export interface KeptGap {
  readonly systemId: string;
  readonly stanza: string;
  readonly segment: string;
  readonly repositories: readonly { readonly key: number; readonly location: string }[];
  readonly at: string;
}

export interface GapFile {
  /** At start, when there is not yet anybody to wait for. */
  read(): readonly KeptGap[];
  /** Never rejects; one after the other. */
  write(gaps: readonly KeptGap[]): Promise<void>;
}

const name = "given-up-wal.json";
const bytesMax = 1024 * 1024;

export function openGapFile(folders: readonly string[], logger: Logger): GapFile {
  let writing: Promise<void> = Promise.resolve();
  let failing = false;

  async function writeAll(text: string): Promise<void> {
    const outcomes = await Promise.allSettled(folders.map((folder) => writeOne(folder, text)));
    const [failure] = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    const isLost = outcomes.every(({ status }) => status === "rejected");
    if (isLost && !failing) logger.warn({ err: failure }, "WAL that is given up is not told again after a restart");
    failing = isLost;
  }

  return {
    read() {
      const all = folders.flatMap(readOne);
      const each = new Map(all.map((gap) => [`${gap.stanza} ${gap.segment}`, gap]));
      return [...each.values()].toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    },
    write: (gaps) => (writing = writing.then(() => writeAll(JSON.stringify(gaps)))),
  };
}

async function writeOne(folder: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, name);
  {
    await using file = await open(`${path}.tmp`, "w", 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(`${path}.tmp`, path);
}

/** One that is damaged says nothing; it never keeps a sidecar from starting. */
function readOne(folder: string): readonly KeptGap[] {
  try {
    const text = readFileSync(join(folder, name), "utf8");
    const gaps: unknown = text.length > bytesMax ? [] : JSON.parse(text);
    return Array.isArray(gaps) ? gaps.filter(isGap) : [];
  } catch {
    return [];
  }
}

function isGap(value: unknown): value is KeptGap {
  const { systemId, stanza, segment, repositories, at } = (value ?? {}) as Partial<Record<keyof KeptGap, unknown>>;
  return (
    [systemId, stanza, segment].every((text) => typeof text === "string") &&
    typeof at === "string" &&
    !Number.isNaN(Date.parse(at)) &&
    Array.isArray(repositories) &&
    repositories.every(
      (one: { key?: unknown; location?: unknown } | null) =>
        Number.isInteger(one?.key) && typeof one?.location === "string",
    )
  );
}

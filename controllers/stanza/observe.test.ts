import { beforeEach, describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { RunOptions } from "#repository/pgbackrest/pgbackrest.ts";
import type { Repository } from "#repository/repository.ts";
import { StoreError } from "#store/errors.ts";
import { lookAtStanza, type Known, type OpenedStanza } from "./observe.ts";

const place = { bucket: "b", region: "r", repoPath: "/pg" };
const stanza: Stanza = {
  metadata: { name: "main", namespace: "db" },
  spec: {
    stanzaConfiguration: {
      name: "pg",
      s3Repositories: ["one.example.com", "two.example.com"].map((endpoint) => ({ ...place, endpoint })),
    },
  },
};
const config = {
  stanza: "pg",
  repositories: ["one.example.com", "two.example.com"].map((endpoint, index) => ({
    ...place,
    key: index + 1,
    type: "s3",
    path: "/pg",
    endpoint,
    verifyTls: true,
  })),
  credentials: { kind: "repositories", each: [{}, {}] },
} as unknown as StanzaConfig;

const backup = (label: string, key: number) => ({
  label,
  type: "full",
  prior: null,
  reference: null,
  database: { id: 1, "repo-key": key },
  timestamp: { start: 10, stop: 20 },
  archive: { start: name(6), stop: name(7) },
});
const hasWal = (labels: readonly string[]): boolean => labels.includes("20261124-000000F");
const answer = (key: number, labels: readonly string[] | "away") => [
  {
    name: "pg",
    archive:
      labels === "away" || !hasWal(labels)
        ? []
        : [{ database: { id: 1, "repo-key": key }, id: "15-1", min: name(2), max: name(7) }],
    backup: labels === "away" ? [] : labels.map((label) => backup(label, key)),
    db: labels === "away" ? [] : [{ id: 1, "repo-key": key, "system-id": 7, version: "15" }],
    repo: [
      {
        key,
        cipher: "none",
        status: labels === "away" ? { code: 99, message: "[HostConnectError] away" } : { code: 0, message: "ok" },
      },
    ],
    status: { code: 0, message: "ok" },
  },
];

const folder = "0000000100000000";
const name = (number: number) => `${folder}0000000${number}`;
const stored = (number: number) => `${name(number)}-${"a".repeat(40)}.gz`;
/** What was listed of which repository. */
let listings: string[] = [];
let walListing: "here" | "away" = "here";
beforeEach(() => {
  listings = [];
  walListing = "here";
});

/** Looks while each repository lists these backups, or is away. */
const look = (
  said: readonly (readonly string[] | "away" | (() => string))[],
  known?: Known,
  lastRetention?: string,
) => {
  const run = async (command: string, { repository = 1, options = [], onLine }: RunOptions) => {
    const labels = said[repository - 1]!;
    if (command === "info")
      return { code: 0, stdout: typeof labels === "function" ? labels() : JSON.stringify(answer(repository, labels)) };
    const isRecursive = options.includes("--recurse");
    listings.push(isRecursive ? `${repository} segments` : `${repository} ids`);
    const lines = isRecursive ? [2, 3, 6, 7].map((each) => `${folder}/${stored(each)}`) : ["15-1"];
    if (walListing === "away") throw new StoreError("EndpointUnreachable", "away");
    for (const line of lines) onLine?.(line);
    return { code: 0, stdout: "" };
  };
  return lookAtStanza(stanza, {
    open: async () => ({ config, pgbackrest: { config, run } }) as unknown as OpenedStanza,
    tryRepository: async () => [],
    openRepository: () => ({ newestWal: async () => undefined }) as unknown as Repository,
    known,
    lastRetention,
    preflight: undefined,
    signal: AbortSignal.timeout(5_000),
  });
};

describe("a look at repositories with one bucket and path on two servers", () => {
  it("takes what was read of one for nothing of the other", async () => {
    const { known } = await look([["20261121-000000F"], ["20261122-000000F", "20261123-000000F"]]);
    const { look: later } = await look(["away", ["20261122-000000F"]], known);
    if (later.kind !== "looked") throw new Error(later.problem.message);
    const labels = later.repositories.map(({ content }) => content?.backups.map(({ label }) => label));
    expect(labels).toEqual([["20261121-000000F"], ["20261122-000000F"]]);
  });

  it.each([
    ["is cut", () => JSON.stringify(answer(1, ["20261121-000000F"])).slice(0, -9)],
    ["tells of an outage", () => JSON.stringify(answer(1, "away"))],
    [
      "does not come, since the process was killed",
      () => {
        throw new PgbackrestError("Failed", "pgbackrest info was ended by SIGKILL");
      },
    ],
  ])("keeps what was read before when an answer %s", async (_, said) => {
    const { known } = await look([["20261121-000000F", "20261122-000000F"], ["20261123-000000F"]]);
    const { look: later } = await look([said, []], known);
    if (later.kind !== "looked") throw new Error(later.problem.message);
    const [one, two] = later.repositories;
    expect(one).toMatchObject({ isRead: false, state: expect.stringMatching(/^(Unknown|Unreachable)$/) as string });
    expect(one?.content?.backups).toHaveLength(2);
    // What answers that it has none has none.
    expect(two).toMatchObject({ isRead: true, content: { backups: [] } });
  });
});

describe("the WAL of a repository", () => {
  const nothing: readonly string[] = [];
  const one = "20261124-000000F";
  const missing = ({ look: seen }: Awaited<ReturnType<typeof look>>) => {
    if (seen.kind !== "looked") throw new Error(seen.problem.message);
    return seen.repositories[0]?.content?.continuity?.between;
  };
  const gap = { first: name(4), last: name(5) };

  it("is listed again only when the backups have changed or retention ran", async () => {
    const first = await look([[one], nothing]);
    expect(listings).toEqual(["1 ids", "1 segments"]);
    const same = await look([[one], nothing], first.known);
    expect(listings).toHaveLength(2);
    expect(missing(same)).toEqual(missing(first));
    await look([[one, "20261125-000000F"], nothing], same.known);
    expect(listings).toHaveLength(4);
    const retained = await look([[one], nothing], first.known, "2026-11-21T12:00:00Z");
    expect(listings).toHaveLength(6);
    expect((await look([[one], nothing], retained.known, "2026-11-21T12:00:00Z")).look.kind).toBe("looked");
    expect(listings).toHaveLength(6);
  });

  it("is not known when it cannot be listed after a change", async () => {
    const first = await look([[one], nothing]);
    expect(missing(first)).toEqual([gap]);
    walListing = "away";
    expect(missing(await look([[one], nothing], first.known, "2026-11-21T12:00:00Z"))).toBeUndefined();
    expect(missing(await look([[one], nothing], first.known))).toEqual([gap]);
  });
});

import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import type { StanzaConfig } from "#repository/pgbackrest/config.ts";
import { PgbackrestError } from "#repository/pgbackrest/errors.ts";
import type { Repository } from "#repository/repository.ts";
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
});
const answer = (key: number, labels: readonly string[] | "away") => [
  {
    name: "pg",
    archive: [],
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

/** Looks while each repository lists these backups, or is away. */
const look = (said: readonly (readonly string[] | "away" | (() => string))[], known?: Known) => {
  const run = async (_: string, { repository = 1 }: { repository?: number }) => {
    const labels = said[repository - 1]!;
    return { code: 0, stdout: typeof labels === "function" ? labels() : JSON.stringify(answer(repository, labels)) };
  };
  return lookAtStanza(stanza, {
    open: async () => ({ config, pgbackrest: { config, run } }) as unknown as OpenedStanza,
    tryRepository: async () => [],
    openRepository: () => ({}) as Repository,
    known,
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

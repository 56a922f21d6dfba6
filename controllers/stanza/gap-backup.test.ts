import { describe, expect, it } from "vitest";
import type { Stanza } from "#api/gen/stanza.ts";
import { planGapBackups, withAsked, type GapBackupInput } from "./gap-backup.ts";
import type { RepositoryStatus } from "./terms.ts";

const segment = "00000001000000000000000A";
const name = `main-repo2-gap-${segment.toLowerCase()}`;
const stanza = (called = "main"): Stanza => ({
  metadata: { name: called, namespace: "db" },
  spec: { stanzaConfiguration: { name: "pg" } },
});
const gap = { segment, since: "2026-11-21T11:00:00Z" };
const row = (state: RepositoryStatus["state"], changes: Partial<RepositoryStatus> = {}): RepositoryStatus => ({
  key: 2,
  type: "s3",
  location: "s3://b/r2",
  state,
  gap,
  ...changes,
});
const plan = (rows: readonly RepositoryStatus[], changes: Partial<GapBackupInput> = {}) =>
  planGapBackups({ stanza: stanza(), rows, clusters: [{ name: "pg" }], backups: [], ...changes });

describe("a full backup behind a gap", () => {
  it("is asked for in that repository as soon as it can be used", () => {
    const { gap: _gap, ...whole } = row("Ok");
    expect(plan([{ ...whole, key: 1 }, row("NoBackup")])).toMatchObject([
      {
        kind: "create",
        object: {
          metadata: { name, namespace: "db", labels: { "cnpg.io/cluster": "pg" } },
          spec: { cluster: { name: "pg" }, type: "full", selectedRepository: 2 },
        },
      },
    ]);
  });

  it("waits while the repository does not answer, lets nobody in, or no Cluster lives, and says so", () => {
    for (const state of ["Unreachable", "Refused", "Unknown", "NoStanza"] as const)
      expect(plan([row(state)])).toMatchObject([{ kind: "wait", why: expect.stringContaining(state) as string }]);
    expect(plan([row("Ok")], { clusters: [] })).toMatchObject([{ kind: "wait" }]);
  });

  it("is asked for once: neither while the request is there nor after somebody deleted it", () => {
    const there = [{ metadata: { name, namespace: "db" }, spec: {} }];
    const asked = plan([row("Ok")], { backups: there });
    expect(asked).toMatchObject([{ kind: "asked" }]);
    const remembered = withAsked([row("Ok")], asked);
    expect(remembered[0]?.gap).toEqual({ ...gap, backup: name });
    expect(plan(remembered)).toMatchObject([{ kind: "asked" }]);
    const next = { ...gap, segment: "00000001000000000000000F", backup: name };
    expect(plan([row("Ok", { gap: next })])).toMatchObject([{ kind: "create" }]);
  });

  it("has a name that an object may have, also for a Stanza with a long one", () => {
    const [long] = plan([row("Ok")], { stanza: stanza("a".repeat(60)) });
    expect(long?.name.length).toBeLessThanOrEqual(63);
    const [other] = plan([row("Ok", { gap: { ...gap, segment: "00000001000000000000000B" } })], {
      stanza: stanza("a".repeat(60)),
    });
    expect(other?.name).not.toBe(long?.name);
  });
});

import { describe, expect, it } from "vitest";
import type { Archive } from "#api/gen/archive.ts";
import type { ObservedStanza } from "./plan.ts";
import { away, content, looked, plan, record, report, repository, segment, stanza, verdict } from "./plan-fixture.ts";
import type { ObservedRepository } from "./terms.ts";

describe("a repository that is away", () => {
  const both = plan(looked(repository(1), repository(2)));

  it("is Unknown, and keeps what was read of it: no count becomes smaller", () => {
    const down = plan(looked(repository(1), away(2)));
    expect(verdict(down, "RepositoriesReachable")).toMatchObject({ status: "Unknown", reason: "EndpointUnreachable" });
    expect(down.facts).toMatchObject({ repositorySummary: "1/2", backupSummary: both.facts.backupSummary });
    expect(down.facts.repositories?.[1]).toMatchObject({ state: "Unreachable", full: 1, lastWal: segment(9) });
    expect(down.archives[0]?.facts.backups).toBe(2);
    expect(down.archives[0]?.verdicts.find(({ type }) => type === "CatalogSynced")).toMatchObject({
      status: "Unknown",
      reason: "EndpointUnreachable",
    });
  });

  it("keeps it also in the eyes of a leader that never read it", () => {
    const seen = stanza({ ...both.facts, windowFrom: "2026-11-01T00:00:00Z" });
    const archive: Archive = { metadata: { name: "main-pg" }, status: both.archives[0]!.facts };
    const down = plan(looked(repository(1), away(2, { unknown: true })), { stanza: seen, archives: [archive] });
    expect(down.facts).toMatchObject({
      backupSummary: both.facts.backupSummary,
      windowFrom: "2026-11-01T00:00:00Z",
      backupsCount: both.facts.backupsCount,
    });
    expect(down.archives[0]?.facts.backups).toBe(2);
    expect(down.archives[0]?.verdicts[0]).toMatchObject({ type: "Ready", status: "Unknown" });
  });

  it("makes no record from memory: only what is listed now has one", () => {
    const names = (...repositories: ObservedRepository[]) =>
      plan(looked(...repositories)).records.map(({ object }) => object.spec.backupId);
    expect(names(repository(1), repository(2))).toEqual(["20261121-000000F", "20261122-000000F"]);
    expect(names(repository(1), away(2))).toEqual(["20261121-000000F"]);
  });

  it("keeps its own counts in status when another one has its bucket and path on another server", () => {
    const one = repository(1, { location: "s3://b/r" });
    const two = repository(2, { location: "s3://b/r", content: content([record("A", 2), record("B", 2)]) });
    const seen = stanza(plan(looked(one, two)).facts);
    const rows = [
      { ...away(1, { unknown: true }), location: "s3://b/r" },
      { ...away(2, { unknown: true }), location: "s3://b/r" },
    ];
    expect(plan(looked(...rows), { stanza: seen }).facts.repositories).toMatchObject([{ full: 1 }, { full: 2 }]);
  });

  it("leaves the Stanza Ready, which names it, and is looked at again soon", () => {
    const down = plan(looked(repository(1), away(2)));
    expect(verdict(down, "Ready")).toEqual({
      type: "Ready",
      status: "True",
      reason: "Succeeded",
      message:
        "repository 1 can be read and written; not so repository 2: [HostConnectError] unable to connect to minio:9000",
    });
    expect(verdict(down, "Redundant")).toMatchObject({ status: "False", reason: "RepositoryDown" });
    expect(down.requeueAfterMs).toBeLessThanOrEqual(20_000);
    const put = { name: "Put", status: "Failed", reason: "AccessDenied", message: "put: denied" } as const;
    const barred = plan(looked(repository(1), repository(2, { checks: [put] })));
    expect(verdict(barred, "Ready")).toMatchObject({
      status: "True",
      message: expect.stringContaining("denied") as string,
    });
    expect(verdict(barred, "Redundant")).toMatchObject({ status: "False", reason: "RepositoryDown" });
  });

  it("makes it Unknown when there is no other, or none that answers", () => {
    for (const all of [[away(1)], [away(1), away(2)]])
      expect(verdict(plan(looked(...all)), "Ready")).toMatchObject({
        status: "Unknown",
        reason: "EndpointUnreachable",
      });
  });

  it("is proven bad when it refuses us, and says what mends it", () => {
    const refused = (key: number) =>
      ({ ...away(key), state: "Refused", message: "[CryptoError] cipher header invalid" }) as const;
    const planned = plan(looked(repository(1), refused(2)));
    expect(verdict(planned, "RepositoriesReachable")).toMatchObject({ status: "False", reason: "AccessDenied" });
    expect(verdict(planned, "RepositoriesReachable")?.message).toMatch(/^repository 2: .*encryptionPass/);
    expect(verdict(planned, "Ready")).toMatchObject({ status: "True" });
    expect(verdict(plan(looked(refused(1), refused(2))), "Ready")).toMatchObject({
      status: "False",
      reason: "AccessDenied",
    });
  });

  it("tells a certificate that is not trusted from a passphrase, though pgBackRest calls both a CryptoError", () => {
    const message = "[CryptoError] unable to verify certificate presented by 'minio:9000'";
    const planned = plan(looked(repository(1), { ...away(2), message }));
    expect(verdict(planned, "RepositoriesReachable")).toMatchObject({
      status: "False",
      reason: "TLSVerificationFailed",
    });
    expect(verdict(planned, "RepositoriesReachable")?.message).not.toContain("encryptionPass");
  });

  describe("while another has a backup and the WAL behind it", () => {
    const bases = { beginWal: segment(2), endWal: segment(3) };
    const whole = repository(1, { content: content([record("F", 1, bases)]) });
    const failing = report({ archiveError: "repository 2 does not answer", currentLSN: "0/A000028" });
    const clusters = [{ name: "pg", report: failing }];
    const look = (...repositories: ObservedRepository[]) => ({ ...looked(...repositories), end: { name: segment(9) } });
    const archive = (repositories: ObservedRepository[], changes: Partial<ObservedStanza> = { clusters }) =>
      plan(look(...repositories), changes).archives[0];
    const of = (planned: ReturnType<typeof archive>, type: string) =>
      planned?.verdicts.find((each) => each.type === type);

    it("leaves the Archive Ready: the other proves that the database can be restored", () => {
      const seen = archive([whole, away(2)]);
      expect(of(seen, "Ready")).toMatchObject({
        status: "True",
        message: expect.stringMatching(/^restorable from repository 1; CatalogSynced: repository 2: /) as string,
      });
      expect(of(seen, "CatalogSynced")).toMatchObject({ status: "Unknown" });
      expect(of(seen, "Archiving")).toMatchObject({ status: "False" });
      expect(seen?.facts.backups).toBe(2);
    });

    it("does so for a leader that never read it, and takes nothing from what was known", () => {
      const status = { backups: 7, windowFrom: "2026-11-01T00:00:00Z", windowTo: "2026-11-02T00:00:00Z" };
      const before: Archive = {
        metadata: { name: "main-pg" },
        status: { ...status, repository: { kind: "Stanza", name: "main", uid: "u" } },
      };
      const seen = archive([whole, away(2, { unknown: true })], { clusters, archives: [before] });
      expect(of(seen, "Ready")).toMatchObject({ status: "True" });
      expect(seen?.facts).toMatchObject({ ...status, windowTo: "2026-11-20T00:00:00Z", lastWal: { name: segment(9) } });
    });

    it("proves nothing without a backup, with a gap behind it, or when WAL stays behind", () => {
      const bare = repository(1, { state: "NoBackup", content: content([]) });
      const gap = { between: [{ first: segment(5), last: segment(5) }], listedFor: "" };
      const gapped = repository(1, { content: content([record("F", 1, bases)], { continuity: gap }) });
      for (const first of [bare, gapped]) expect(of(archive([first, away(2)]), "Ready")?.status).not.toBe("True");
      const ahead = [{ name: "pg", report: report({ archiveError: "no", currentLSN: "0/F000028" }) }];
      expect(of(archive([whole, away(2)], { clusters: ahead }), "Ready")).toMatchObject({
        status: "False",
        reason: "ArchiveFailing",
      });
      const silent = [{ name: "pg", report: report({ reportedAt: "2026-11-21T10:00:00Z" }) }];
      expect(of(archive([whole, away(2)], { clusters: silent }), "Ready")).toMatchObject({ reason: "NoReport" });
    });
  });
});

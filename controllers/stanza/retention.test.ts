import { describe, expect, it } from "vitest";
import { backupOf, retentionWorld } from "./retention-fixture.ts";

const [first, second, third] = ["20261120-000000F", "20261121-000000F", "20261122-000000F"] as const;

describe("retention of a Stanza", () => {
  it("lets the last full backup stay that is whole, and says why", async () => {
    const { state, lead, said } = retentionWorld({
      listed: [first, second],
      old: [first],
      backups: [backupOf(first), backupOf(second, "Failed")],
    });
    await lead()();
    expect(state.listed).toEqual([first, second]);
    expect(said()?.plan?.[0]?.what).toBe(`refused: backup ${first} would go: it is the last full backup that is whole`);
  });

  it("removes what is too old, and the records of that", async () => {
    const { state, lead, said } = retentionWorld({
      listed: [first, second],
      old: [first],
      backups: [backupOf(first), backupOf(second)],
    });
    await lead()();
    expect(state.listed).toEqual([second]);
    expect(state.backups.map(({ metadata }) => metadata.uid)).toEqual([second]);
    expect(said()?.summary).toBe("Enforce: 1 backup removed");
  });

  it("finishes what another leader began, who was cut off with the data gone", async () => {
    const { state, retentions, lead, said } = retentionWorld({
      listed: [first, second, third],
      old: [first],
      backups: [backupOf(first), backupOf(second), backupOf(third)],
      isCutOff: true,
    });
    const removing = [{ repository: 1, location: "s3://b/r", backups: [first] }];
    await expect(lead()()).rejects.toThrow("the operator was ended");
    expect(state.statusAtExpire?.retention).toEqual({ removing });
    expect(state.backups).toHaveLength(3);
    // The next process knows what stands in the status, and its first look finds it gone.
    retentions.delete("u");
    state.isCutOff = false;
    state.backups = [backupOf(first, "Missing"), backupOf(second), backupOf(third)];
    const next = lead();
    await next();
    expect(state.backups.map(({ metadata }) => metadata.uid)).toEqual([second, third]);
    expect(said()).toEqual({
      mode: "Enforce",
      lastRunTime: expect.any(String) as string,
      summary: "Enforce: no backup was too old",
      plan: [],
    });
  });

  it("keeps the record of what is still listed, and forgets what was noted of it", async () => {
    const { state, lead, said } = retentionWorld({
      mode: "Preview",
      status: { retention: { removing: [{ repository: 1, location: "s3://b/r", backups: [first] }] } },
      listed: [first, second],
      old: [],
      backups: [backupOf(first), backupOf(second)],
    });
    await lead()();
    expect(state.backups).toHaveLength(2);
    expect(said()?.removing).toBeUndefined();
  });

  it("tries again when a record could not be removed", async () => {
    const { state, lead, said } = retentionWorld({
      listed: [first, second],
      old: [first],
      backups: [backupOf(first), backupOf(second)],
    });
    const look = lead();
    state.refusesDeletion = true;
    await expect(look()).rejects.toThrow("the API server is away");
    expect(said()?.removing).toHaveLength(1);
    state.refusesDeletion = false;
    await look();
    expect(state.backups.map(({ metadata }) => metadata.uid)).toEqual([second]);
    expect(said()?.removing).toBeUndefined();
  });

  it.each(["Preview", "Enforce"] as const)(
    "removes nothing where a verification found damage, and says so: %s",
    async (mode) => {
      const { state, lead, said } = retentionWorld({
        mode,
        status: { verification: { state: "Failed", damaged: ["s3://b/r"] } },
        listed: [first, second],
        old: [first],
        backups: [backupOf(first), backupOf(second)],
      });
      await lead()();
      expect(state.listed).toEqual([first, second]);
      expect(said()?.summary).toBe(`${mode}: repository 1 refused`);
      expect(said()?.plan?.[0]?.what).toContain(
        "refused: the last verification found damage in it (Verified is False)",
      );
    },
  );
});

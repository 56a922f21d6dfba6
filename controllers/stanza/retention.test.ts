import { describe, expect, it } from "vitest";
import { backupOf, retentionWorld } from "./retention-fixture.ts";

const [first, second] = ["20261120-000000F", "20261121-000000F"] as const;

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
});

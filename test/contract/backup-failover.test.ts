// A backup of a standby that follows its primary's failover while it is copied: it begins on one timeline and ends on the
// next, so that it needs WAL of both and the history file between them.
import { expect, it } from "vitest";
import { checkBackup, type BackupCheck } from "#engine/verify/check.ts";
import type { ObjectStore } from "#store/store.ts";
import { isConsistent, poll, signal, useBackups } from "./backup-fixture.ts";

const fixture = useBackups();

it("a backup that saw a failover needs the WAL of both timelines and restores past it", async () => {
  const { primary, store } = fixture;
  const seed = await fixture.backup(primary);
  const heir = await fixture.follow(seed.id, primary);
  const standby = await fixture.follow(seed.id, heir);

  const failOver = async (): Promise<void> => {
    await heir.query("SELECT pg_promote()");
    await primary.stop();
    await heir.query("CREATE TABLE public.after_failover AS SELECT 42 AS answer");
    await heir.query("CHECKPOINT");
    const isThere = "SELECT count(*) FROM pg_class WHERE relname = 'after_failover'";
    await poll(async () => (await standby.value(isThere)) === "1");
    await standby.query("CHECKPOINT");
  };
  let failedOver = false;
  const failingOver: ObjectStore = {
    ...store,
    upload: async (key, parts, options) => {
      if (!failedOver) await failOver();
      failedOver = true;
      return await store.upload(key, parts, options);
    },
  };
  const requestWalSwitch = async (): Promise<void> => void (await heir.query("SELECT pg_switch_wal()"));
  const outcome = await fixture.backup(standby, { store: failingOver, requestWalSwitch });
  expect(outcome).toMatchObject({ timeline: 1, fromStandby: true });
  expect([outcome.beginWal.slice(0, 8), outcome.endWal.slice(0, 8)]).toEqual(["00000001", "00000002"]);
  expect(await fixture.preview()).toMatchObject({ kind: "reachable", backup: { id: outcome.id, timeline: 1 } });

  const recovered = await fixture.recover(outcome.id);
  expect(await recovered.value("SELECT answer FROM public.after_failover")).toBe("42");
  expect(await recovered.value(isConsistent)).toBe("t");

  const check = (): Promise<BackupCheck> =>
    checkBackup({ repository: fixture.repository, server: "pg", id: outcome.id, signal });
  expect(await check()).toMatchObject({ kind: "whole" });
  await store.delete(["pg/wals/00000002.history"], { signal });
  expect(await check()).toMatchObject({
    kind: "broken",
    reason: "MissingWAL",
    message: expect.stringContaining("timeline 2"),
  });
});

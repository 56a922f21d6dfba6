// BackupSchedules that must not be stored, each with the paths, and where it matters the words, that its refusal has.
import type { RefusedSpec } from "./stores.ts";

const schedule = (what: string, spec: unknown, ...named: readonly string[]): RefusedSpec => ({ what, spec, named });

const cluster = { name: "pg" };
const schedules = [{ cron: "0 2 * * *" }];
const at = (what: string, cron: unknown, ...named: readonly string[]): RefusedSpec =>
  schedule(what, { cluster, schedules: [{ cron }] }, "spec.schedules[0].cron", ...named);
const line = (what: string, fields: object, ...named: readonly string[]): RefusedSpec =>
  schedule(what, { cluster, schedules: [{ cron: "0 2 * * *", ...fields }] }, ...named);
const also = (what: string, fields: object, ...named: readonly string[]): RefusedSpec =>
  schedule(what, { cluster, schedules, ...fields }, ...named);

export const refusedSchedules: readonly RefusedSpec[] = [
  schedule("no spec", undefined, "spec"),
  schedule("no cluster", { schedules }, "spec.cluster"),
  schedule("a cluster without a name", { cluster: {}, schedules }, "spec.cluster.name"),
  schedule("no lines", { cluster }, "spec.schedules"),
  schedule("an empty list of lines", { cluster, schedules: [] }, "spec.schedules"),
  schedule("a text for its lines", { cluster, schedules: "0 2 * * *" }, "spec.schedules"),
  schedule("CloudNativePG's field for its line", { cluster, schedules, schedule: "0 0 2 * * *" }, "spec.schedule"),
  schedule(
    "too many lines",
    { cluster, schedules: Array.from({ length: 21 }, (_, minute) => ({ cron: `${minute} 2 * * *` })) },
    "spec.schedules",
  ),
  schedule("a line without a cron", { cluster, schedules: [{ type: "full" }] }, "spec.schedules[0].cron"),
  schedule(
    "the same times twice",
    { cluster, schedules: [{ cron: "0 2 * * *" }, { cron: "0 0 2 * * ?" }] },
    "spec.schedules[1].cron",
    "the same times as spec.schedules[0].cron",
  ),
  at("a cron that is a number", 5),
  at("an empty cron", ""),
  at("four fields", "0 2 * *", "4 fields instead of 5 or 6"),
  at("a year", "0 0 2 * * * 2027", "leave the year out"),
  at("a day that does not exist", "0 2 30 2 *", "never runs"),
  at("an hour that does not exist", "0 24 * * *", 'hour "24" cannot be read'),
  at("a line for every five seconds", "*/5 * * * * *", "second first"),
  at("a line for every second", "* * * * * *", "second first"),
  at("a name that is none", "@nightly", "known are @hourly"),
  at("an interval", "@every 1h", "write the times instead"),
  at("a zone in its line", "TZ=Europe/Paris 0 2 * * *", "timeZone"),
  at("a very long line", `0 2 ${"1,".repeat(5_000)}1 * *`),
  line("a type in other words", { type: "incremental" }, "spec.schedules[0].type"),
  line("a target that nobody is", { target: "standby" }, "spec.schedules[0].target"),
  line("a repository as a text", { selectedRepository: "2" }, "spec.schedules[0].selectedRepository"),
  also("a city for its time zone", { timeZone: "Paris" }, "spec.timeZone", "did you mean Europe/Paris?"),
  also("an offset for its time zone", { timeZone: "+02:00" }, "spec.timeZone"),
  also("a jitter in days", { jitter: "1d" }, "spec.jitter"),
  also("a jitter without a unit", { jitter: "10" }, "spec.jitter"),
  also("a jitter of more than a day", { jitter: "25h" }, "spec.jitter"),
  also("a deadline of no time", { deadline: "0s" }, "spec.deadline"),
  also("a deadline of a month", { deadline: "720h" }, "spec.deadline"),
  also("more retries than there may be", { retryLimit: 11 }, "spec.retryLimit"),
  also("a negative history", { failedHistoryLimit: -1 }, "spec.failedHistoryLimit"),
  also("a deletion policy that nobody has", { deletionPolicy: "Forget" }, "spec.deletionPolicy"),
  also("suspend as a text", { suspend: "yes" }, "spec.suspend"),
  also("suspend misspelt", { suspended: true }, "spec.suspended"),
  also("what CloudNativePG calls its owner", { backupOwnerReference: "self" }, "spec.backupOwnerReference"),
];

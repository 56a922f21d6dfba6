// A Stanza with one repository whose pgBackRest expires what it is told to, for the tests of retention.
import { pino } from "pino";
import type { Backup } from "#api/gen/backup.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject, ObjectKey, Resource } from "#kube/object.ts";
import { Catalogs } from "../catalogs.ts";
import { Trigger } from "../trigger.ts";
import { Findings } from "./findings.ts";
import { record, stanza } from "./plan-fixture.ts";
import { retentionReconcile, type RetentionDeps } from "./retention.ts";
import type { RetentionStatus } from "./retention-plan.ts";
import type { VerificationStatus } from "./verification.ts";

export const backupOf = (id: string, phase: "Completed" | "Failed" | "Missing" = "Completed"): Backup => ({
  metadata: { name: id.toLowerCase(), namespace: "db", uid: id },
  spec: { cluster: { name: "pg" } },
  status: { phase, backupId: id, systemID: "7", repository: { kind: "Stanza", name: "main", uid: "u" } },
});

interface World {
  readonly mode?: "Preview" | "Enforce";
  readonly status?: Stanza["status"];
  /** What pgBackRest lists, oldest first. */
  readonly listed: string[];
  /** What it would remove. */
  readonly old: readonly string[];
  readonly backups: readonly Backup[];
  /** It stops here, having removed what is old. */
  readonly isCutOff?: boolean;
}

export function retentionWorld({ mode = "Enforce", status = {}, listed, old, backups, isCutOff = false }: World) {
  const retentions = new Findings<RetentionStatus>();
  const verifications = new Findings<VerificationStatus>();
  const state = {
    stanza: stanza(status),
    listed,
    backups: [...backups],
    isCutOff,
    refusesDeletion: false,
    /** What the status said when pgBackRest removed. */
    statusAtExpire: undefined as Stanza["status"],
  };
  const info = (): string =>
    JSON.stringify([
      {
        name: "pg",
        repo: [{ key: 1, cipher: "none", status: { code: 0, message: "ok" } }],
        db: [{ id: 1, "repo-key": 1, "system-id": 7, version: "15" }],
        archive: [],
        backup: state.listed.map((label) => ({ label, type: "full", database: { id: 1, "repo-key": 1 } })),
      },
    ]);
  const run = async (
    command: string,
    { options, onLine }: { readonly options: readonly string[]; readonly onLine?: (line: string) => void },
  ): Promise<{ readonly stdout: string }> => {
    if (command === "info") return { stdout: info() };
    const gone = state.listed.filter((label) => old.includes(label));
    for (const label of gone) onLine?.(`P00   INFO: repo1: expire full backup ${label}`);
    if (options.includes("--dry-run")) return { stdout: "" };
    state.statusAtExpire = state.stanza.status;
    state.listed = state.listed.filter((label) => !gone.includes(label));
    if (state.isCutOff) throw new Error("the operator was ended");
    return { stdout: "" };
  };
  const client = {
    get: async () => state.stanza,
    apply: async (_: Resource, applied: Stanza) => {
      state.stanza = { ...state.stanza, ...(applied.status && { status: applied.status }) };
      return state.stanza;
    },
    delete: async ({ kind }: Resource, { name }: ObjectKey) => {
      if (state.refusesDeletion) throw new Error("the API server is away");
      state.backups = state.backups.filter(({ metadata }) => kind !== "Backup" || metadata.name !== name);
      return true;
    },
  };
  const list = (objects: () => readonly KubeObject[]) => ({ get: () => undefined, list: objects, byIndex: () => [] });
  const repositories = [{ key: 1, type: "s3", bucket: "b", path: "/r", retention: { full: 1 } }];
  const config = { stanza: "pg", repositories, variables: {} };
  /** As another process begins, that leads now. */
  const lead = () => {
    const catalogs = new Catalogs();
    const deps = {
      client,
      stanzas: {
        get: () => ({ ...state.stanza, spec: { ...state.stanza.spec, retention: { mode } } }),
      },
      backups: list(() => state.backups),
      reports: list(() => []),
      cnpgBackups: list(() => []),
      catalogs,
      retentions,
      verifications,
      lookAtStanza: new Trigger(),
      openStanza: async () => ({ pgbackrest: { config, run }, config }),
      mutexOf: () => ({ hold: (_: object, work: (signal: AbortSignal) => unknown) => work(signal()) }),
      events: { record: async () => undefined },
    } as unknown as RetentionDeps;
    const reconcile = retentionReconcile(deps);
    return () => {
      const catalog = { server: "pg", backups: state.listed.map((id) => record(id, 1)), unreadable: [] };
      const reading = { storeUid: "u", startedAt: performance.now(), catalogs: new Map([["pg", catalog]]) };
      catalogs.set({ kind: "Stanza", namespace: "db", name: "main" }, reading);
      return reconcile({ namespace: "db", name: "main" }, signal(), pino({ level: "silent" }));
    };
  };
  return { state, retentions, verifications, lead, said: () => retentions.get("u") };
}

const signal = (): AbortSignal => AbortSignal.timeout(5_000);

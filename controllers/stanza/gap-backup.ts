// The full backup that makes up for WAL which a repository will never have. Pure: whether it is asked for, and why not yet.
// Its name follows from the gap, so a second try, or a second leader, finds what the first one asked for.
import { apiVersion } from "#api/kinds.ts";
import { isObjectName, labels, objectName } from "#api/names.ts";
import type { Backup } from "#api/gen/backup.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { LivingCluster } from "../archive/plan.ts";
import type { RepositoryStatus } from "./terms.ts";

export type GapBackupPlan = { readonly repository: number; readonly name: string; readonly why: string } & (
  | { readonly kind: "create"; readonly object: Backup }
  | { readonly kind: "wait" }
  | { readonly kind: "asked" }
);

export interface GapBackupInput {
  readonly stanza: Stanza;
  readonly rows: readonly RepositoryStatus[];
  readonly clusters: readonly Pick<LivingCluster, "name">[];
  /** All Backups of the namespace. */
  readonly backups: readonly Backup[];
}

/** One for each repository with a gap. */
export const planGapBackups = (input: GapBackupInput): readonly GapBackupPlan[] =>
  input.rows.flatMap((row) => (row.gap === undefined ? [] : [planOne(input, row, row.gap)]));

function planOne(
  { stanza, clusters, backups }: GapBackupInput,
  { key: repository, state }: RepositoryStatus,
  gap: NonNullable<RepositoryStatus["gap"]>,
): GapBackupPlan {
  const { name: owner, namespace = "" } = stanza.metadata;
  const name = objectName(owner, `repo${repository}`, "gap", gap.segment.toLowerCase());
  const planned = { repository, name };
  // Once for a gap: who deletes the Backup has decided otherwise.
  if (gap.backup === name || backups.some(({ metadata }) => metadata.name === name))
    return { ...planned, kind: "asked", why: `Backup ${name} was asked for already` };
  const [cluster] = clusters;
  if (cluster === undefined) return { ...planned, kind: "wait", why: "no living Cluster archives to the Stanza" };
  if (state !== "Ok" && state !== "NoBackup")
    return { ...planned, kind: "wait", why: `repository ${repository} cannot take a backup: it is ${state}` };
  return {
    ...planned,
    kind: "create",
    why: `repository ${repository} lacks WAL from ${gap.segment} on, and can be used again`,
    object: {
      apiVersion,
      kind: "Backup",
      // It has no owner: deleting the Stanza deletes no Backup.
      metadata: { name, namespace, labels: { ...(isObjectName(cluster.name) && { [labels.cluster]: cluster.name }) } },
      spec: {
        cluster: { name: cluster.name },
        type: "full",
        selectedRepository: repository,
        retryLimit: 2,
        deletionPolicy: "Retain",
      },
    },
  };
}

/** The rows, each with the Backup that was asked for, once that is there. */
export const withAsked = (
  rows: readonly RepositoryStatus[],
  plans: readonly GapBackupPlan[],
): readonly RepositoryStatus[] =>
  rows.map((row) => {
    const asked = plans.find(({ kind, repository }) => kind === "asked" && repository === row.key);
    return asked === undefined || row.gap === undefined ? row : { ...row, gap: { ...row.gap, backup: asked.name } };
  });

// What we write into the annotations of a backup, so that a repository tells of it when no cluster is left. Pure. The
// values have no colon: pgBackRest divides lists there.
export const backupAnnotation = "holdfast-backup";
export const clusterAnnotation = "holdfast-cluster";
/** Whatever its value: the backup is held. `pgbackrest annotate --set=<label> --annotation=holdfast-hold=<why>` */
export const holdAnnotation = "holdfast-hold";

/** Why it does not count, though pgBackRest itself finds nothing wrong with it: its WAL did not come. */
export const failedAnnotation = "holdfast-failed";

export interface ClusterName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** "default/pg/7a1e2d9c-…": no part of it can have a slash. */
export const formatCluster = ({ namespace, name, uid }: ClusterName): string => `${namespace}/${name}/${uid}`;

export function parseCluster(text: string | undefined): ClusterName | undefined {
  const [namespace = "", name = "", uid = "", ...more] = text?.split("/") ?? [];
  return namespace === "" || name === "" || uid === "" || more.length > 0 ? undefined : { namespace, name, uid };
}

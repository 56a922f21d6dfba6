// The kinds of holdfast.dev: where each one is in the API.

export const group = "holdfast.dev";
export const version = "v1alpha1";
export const apiVersion = `${group}/${version}`;

const kind = (name: string, plural: string) => ({ group, version, kind: name, plural, namespaced: true }) as const;

export const objectStores = kind("ObjectStore", "objectstores");
export const stanzas = kind("Stanza", "stanzas");
export const archives = kind("Archive", "archives");
export const backups = kind("Backup", "backups");
export const backupSchedules = kind("BackupSchedule", "backupschedules");
export const instanceReports = kind("InstanceReport", "instancereports");

// Every condition type and reason that our kinds show, in one closed list. docs/conditions.md explains each one; a test
// holds the two together. The reason of a good condition is Succeeded.

export const conditionTypes = [
  "Ready",
  "Reachable",
  "TLSValid",
  "CredentialsValid",
  "Readable",
  "Writable",
  "CatalogSynced",
  "Archiving",
  "StanzaCreated",
  "RepositoriesReachable",
  "Redundant",
  "WALContinuous",
  "Encrypted",
  "Verified",
  "Reconciling",
  "Stalled",
] as const;
export type ConditionType = (typeof conditionTypes)[number];

export const reasons = [
  "Succeeded",
  "Progressing",
  // What the user wrote cannot work.
  "InvalidSpec",
  "SecretNotFound",
  "SecretKeyMissing",
  // What the store answered, or that it did not.
  "AccessDenied",
  "NoSuchBucket",
  "EndpointUnreachable",
  "DNSFailure",
  "TLSVerificationFailed",
  "RegionMismatch",
  "ClockSkew",
  "Throttled",
  "StoreError",
  "StoreNotFound",
  "AddressingMismatch",
  "NotChecked",
  // How the repositories of a Stanza stand.
  "NoStanza",
  "SingleRepository",
  "RepositoryDown",
  "RepositoryBehind",
  "RepositoryMismatch",
  "WALGap",
  "NotEncrypted",
  "VerificationFailed",
  // What the catalog holds.
  "MetadataUnreadable",
  "NoBackup",
  "Missing",
  // What the sidecars report.
  "ArchiveFailing",
  "NoReport",
  // How a schedule stands.
  "Suspended",
  // How a backup goes.
  "ClusterNotFound",
  "PluginNotConfigured",
  "NotTheArchiver",
  "EngineError",
  "Queued",
  "Retrying",
  "DeadlineExceeded",
  "Cancelled",
  "MissingMetadata",
  "MissingData",
  "MissingWAL",
] as const;
export type Reason = (typeof reasons)[number];

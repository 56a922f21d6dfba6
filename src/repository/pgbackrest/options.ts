// The options of pgBackRest 2.55 and who sets each one: what a Stanza's customEnvVar may hold is what nobody else sets.
// Names as in pgBackRest's configuration reference, without "repoN-" for those of a repository.

export type ValueForm = "flag" | "number" | "size" | "time" | "pairs" | "text";

export type Setter =
  | { readonly by: "variable"; readonly form: ValueForm }
  /** A field of the Stanza, from spec.stanzaConfiguration or from the repository. */
  | { readonly by: "field"; readonly field: string }
  /** A value that no object may show; `field` names the Secret, where there is one. */
  | { readonly by: "secret"; readonly field?: string }
  | { readonly by: "operator" }
  /** Goes with one run of a command. */
  | { readonly by: "command" }
  /** Of a kind of repository that a Stanza does not have. */
  | { readonly by: "provider" }
  /** A newer version of pgBackRest. */
  | { readonly by: "version"; readonly version: string }
  /** The option has another name now. */
  | { readonly by: "rename"; readonly name: string };

const each = (setter: Setter, ...names: readonly string[]): readonly (readonly [string, Setter])[] =>
  names.map((name) => [name, setter]);
const variable = (form: ValueForm, ...names: readonly string[]) => each({ by: "variable", form }, ...names);
const field = (path: string, ...names: readonly string[]) => each({ by: "field", field: path }, ...names);
const since = (version: string, ...names: readonly string[]) => each({ by: "version", version }, ...names);
const operator: Setter = { by: "operator" };
const command: Setter = { by: "command" };

export const generalOptions: ReadonlyMap<string, Setter> = new Map([
  ...variable("flag", "archive-missing-retry", "checksum-page", "neutral-umask", "page-header-check"),
  ...variable("flag", "resume", "sck-keep-alive", "stop-auto"),
  ...variable("number", "compress-level-network"),
  ...variable("number", "tcp-keep-alive-count", "tcp-keep-alive-idle", "tcp-keep-alive-interval"),
  ...variable("size", "buffer-size", "manifest-save-threshold"),
  ...variable("time", "archive-timeout", "db-timeout", "io-timeout", "protocol-timeout"),
  ...variable("text", "exclude"),
  ...field("name", "stanza"),
  ...field("processMax", "process-max"),
  ...field("archive.async", "archive-async"),
  ...field("archive.pushQueueMax", "archive-push-queue-max", "archive-queue-max"),
  ...field("archive.getQueueMax", "archive-get-queue-max"),
  ...field("compressConfig.type", "compress-type", "compress"),
  ...field("compressConfig.level", "compress-level"),
  ...field("startFast", "start-fast"),
  ...field("delta", "delta"),
  ...field("logLevel", "log-level-console"),
  ...each(operator, "annotation", "archive-check", "archive-copy", "archive-header-check", "archive-mode"),
  ...each(operator, "archive-mode-check", "backup-standby", "beta", "cmd", "cmd-ssh", "config", "config-include-path"),
  ...each(operator, "config-path", "exec-id", "expire-auto", "job-retry", "job-retry-interval", "lock", "lock-path"),
  ...each(operator, "log-level-file", "log-level-stderr", "log-path", "log-subprocess", "log-timestamp", "process"),
  ...each(operator, "pg", "pg-version-force", "remote-type", "sck-block", "spool-path", "tls-server-address"),
  ...each(operator, "tls-server-auth", "tls-server-ca-file", "tls-server-cert-file", "tls-server-key-file"),
  ...each(operator, "tls-server-port"),
  ...each(command, "db-exclude", "db-include", "dry-run", "filter", "force", "help", "ignore-missing", "link-all"),
  ...each(command, "link-map", "online", "output", "raw", "recovery-option", "recurse", "reference", "repo", "report"),
  ...each(command, "repo-target-time", "set", "sort", "tablespace-map", "tablespace-map-all", "target"),
  ...each(command, "target-action", "target-exclusive", "target-timeline", "type", "verbose", "version"),
  ...each({ by: "secret", field: "cipherConfig.encryptionPass" }, "cipher-pass"),
  ...since("2.56", "detail-level"),
  ...since("2.58", "oldest", "priority", "tls-cipher-12", "tls-cipher-13"),
  ...since("2.59", "allow-root", "archive-expire-before", "archive-push-batch-size"),
]);

/** PGBACKREST_REPO1_…, with a repository's number. */
export const repositoryOptions: ReadonlyMap<string, Setter> = new Map([
  ...variable("flag", "block", "bundle", "hardlink", "s3-requester-pays"),
  ...variable("size", "bundle-limit", "bundle-size", "storage-upload-chunk-size"),
  ...variable("text", "s3-kms-key-id", "s3-role", "storage-ca-path"),
  ...variable("pairs", "storage-tag"),
  ...field("repoPath", "path"),
  ...field("bucket", "s3-bucket"),
  ...field("region", "s3-region"),
  ...field("container", "azure-container"),
  // Host and port as well: another server than the endpoint says would hide whose archive it is.
  ...field("endpoint", "s3-endpoint", "azure-endpoint", "storage-host", "storage-port"),
  ...field("endpoint", "s3-host", "s3-port", "azure-host", "azure-port"),
  ...field("uriStyle", "s3-uri-style", "azure-uri-style"),
  ...field("secretRef", "s3-key-type"),
  ...field("keyType", "azure-key-type"),
  ...field("verifyTLS", "storage-verify-tls", "s3-verify-tls", "s3-verify-ssl", "azure-verify-tls"),
  ...field("endpointCA", "storage-ca-file", "s3-ca-file", "azure-ca-file"),
  ...field("cipherConfig.type", "cipher-type"),
  ...field("retentionPolicy.archive", "retention-archive"),
  ...field("retentionPolicy.archiveType", "retention-archive-type"),
  ...field("retentionPolicy.diff", "retention-diff"),
  ...field("retentionPolicy.full", "retention-full"),
  ...field("retentionPolicy.fullType", "retention-full-type"),
  ...field("retentionPolicy.history", "retention-history"),
  ...each({ by: "secret", field: "cipherConfig.encryptionPass" }, "cipher-pass"),
  ...each({ by: "secret", field: "secretRef.accessKeyId" }, "s3-key"),
  ...each({ by: "secret", field: "secretRef.secretAccessKey" }, "s3-key-secret"),
  ...each({ by: "secret", field: "secretRef.keyReference" }, "azure-key"),
  ...each({ by: "field", field: "account" }, "azure-account"),
  ...each({ by: "secret" }, "s3-token", "s3-sse-customer-key", "gcs-key", "sftp-private-key-passphrase"),
  ...each(operator, "type", "local", "block-age-map", "block-checksum-size-map", "block-size-map", "block-size-super"),
  ...each(operator, "block-size-super-full"),
  ...each({ by: "provider" }, "gcs-bucket", "gcs-endpoint", "gcs-key-type", "gcs-user-project"),
  ...each({ by: "provider" }, "host", "host-ca-file", "host-ca-path", "host-cert-file", "host-cmd", "host-config"),
  ...each({ by: "provider" }, "host-config-include-path", "host-config-path", "host-key-file", "host-port"),
  ...each({ by: "provider" }, "host-type", "host-user", "sftp-host", "sftp-host-fingerprint"),
  ...each({ by: "provider" }, "sftp-host-key-check-type", "sftp-host-key-hash-type", "sftp-host-port"),
  ...each({ by: "provider" }, "sftp-host-user", "sftp-known-host", "sftp-private-key-file", "sftp-public-key-file"),
  ...each({ by: "rename", name: "storage-ca-path" }, "s3-ca-path", "azure-ca-path"),
  ...since("2.57", "symlink"),
  ...since("2.59", "s3-process-cmd", "s3-service", "s3-sts-host"),
]);

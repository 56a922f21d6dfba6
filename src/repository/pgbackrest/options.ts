// The options of pgBackRest 2.55 and who sets each one: what a Stanza's customEnvVar may hold is what nobody else sets.
// Names and ranges as in pgBackRest's src/build/config/config.yaml, without "repoN-" for those of a repository.
import type { ValueForm } from "./option-value.ts";

export type Setter =
  /** `idle` says why it changes nothing here. */
  | { readonly by: "variable"; readonly form: ValueForm; readonly idle?: string }
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
  /** What it does must not happen. */
  | { readonly by: "nobody"; readonly why: string };

const each = (setter: Setter, ...names: readonly string[]): readonly (readonly [string, Setter])[] =>
  names.map((name) => [name, setter]);
const variable = (kind: "flag" | "pairs" | "text", ...names: readonly string[]) =>
  each({ by: "variable", form: { kind } }, ...names);
const ranged = (kind: "number" | "size" | "time", least: string, most: string, ...names: readonly string[]) =>
  each({ by: "variable", form: { kind, range: [least, most] } }, ...names);
const idle = (why: string, form: ValueForm, ...names: readonly string[]) =>
  each({ by: "variable", form, idle: why }, ...names);
const field = (path: string, ...names: readonly string[]) => each({ by: "field", field: path }, ...names);
const since = (version: string, ...names: readonly string[]) => each({ by: "version", version }, ...names);
const operator: Setter = { by: "operator" };
const command: Setter = { by: "command" };

const bufferSizes = "16KiB 32KiB 64KiB 128KiB 256KiB 512KiB 1MiB 2MiB 4MiB 8MiB 16MiB".split(" ");

export const generalOptions: ReadonlyMap<string, Setter> = new Map([
  ...variable("flag", "checksum-page", "neutral-umask", "page-header-check", "resume", "sck-keep-alive"),
  ...ranged("number", "1", "32", "tcp-keep-alive-count"),
  ...ranged("number", "1", "3600", "tcp-keep-alive-idle"),
  ...ranged("number", "1", "900", "tcp-keep-alive-interval"),
  ...ranged("size", "1B", "1TiB", "manifest-save-threshold"),
  ...each({ by: "variable", form: { kind: "choice", values: bufferSizes } }, "buffer-size"),
  ...ranged("time", "100ms", "1h", "io-timeout"),
  ...ranged("time", "100ms", "7d", "db-timeout", "protocol-timeout"),
  ...idle("Holdfast waits for WAL itself", { kind: "time", range: ["100ms", "1d"] }, "archive-timeout"),
  ...idle("Holdfast fetches WAL ahead itself", { kind: "flag" }, "archive-missing-retry"),
  ...idle("it is about PostgreSQL 9.5 and older", { kind: "flag" }, "stop-auto"),
  ...idle("nothing goes to another pgBackRest", { kind: "number", range: ["-5", "12"] }, "compress-level-network"),
  ...each({ by: "nobody", why: "a backup without a part of the database could not be restored" }, "exclude"),
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
  ...variable("flag", "block", "bundle", "s3-requester-pays"),
  ...idle("an object store has no links", { kind: "flag" }, "hardlink"),
  ...ranged("size", "8KiB", "1PiB", "bundle-limit"),
  ...ranged("size", "1MiB", "1PiB", "bundle-size"),
  ...ranged("size", "64KiB", "1TiB", "storage-upload-chunk-size"),
  ...variable("text", "s3-kms-key-id", "s3-role"),
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
  // A folder as well: its files are the operator's or the sidecar's own, not the author's.
  ...field("endpointCA", "storage-ca-file", "s3-ca-file", "azure-ca-file"),
  ...field("endpointCA", "storage-ca-path", "s3-ca-path", "azure-ca-path"),
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
  ...since("2.57", "symlink"),
  ...since("2.59", "s3-process-cmd", "s3-service", "s3-sts-host"),
]);

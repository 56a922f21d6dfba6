// The PostgreSQL settings that a restore hands to CNPG, which appends them to the configuration of the new cluster and
// adds the recovery target itself (so it must not stand here too). Pure.

/**
 * The text of RestoreResponse.restore_config. The command is that of CNPG's instance manager, which asks this plugin in
 * turn; recovery ends in a cluster that can be written to.
 */
export const restoreSettings = (): string =>
  [
    "recovery_target_action = promote",
    "restore_command = '/controller/manager wal-restore --log-destination /controller/log/postgres.json %f %p'",
    "",
  ].join("\n");

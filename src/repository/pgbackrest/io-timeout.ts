// How long pgBackRest waits without a byte before one try of a request ends; a server that stands still is tried about
// eight times. Pure. Its own default of a minute makes that eight: longer than a call, or the Lease, may be kept.
import type { StanzaConfig } from "./config.ts";

/** An option for one command; none where the Stanza says it itself by customEnvVar. */
export const ioTimeoutOption = ({ variables }: Pick<StanzaConfig, "variables">, seconds: number): readonly string[] =>
  Object.hasOwn(variables, "PGBACKREST_IO_TIMEOUT") ? [] : [`--io-timeout=${seconds}`];

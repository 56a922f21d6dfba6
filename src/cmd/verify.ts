// The program of a verification Job: reads every file of a Stanza's repositories and leaves the verdict as the termination
// message of its pod. It knows no API server: the Stanza and its Secrets are in its environment.
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatVerdict, verdictOf, type RepositoryVerdict } from "#controllers/stanza/verify-verdict.ts";
import { createLogger } from "#observe/logger.ts";
import { openPgbackrest } from "#repository/pgbackrest/pgbackrest.ts";
import { inOneLine } from "#repository/pgbackrest/repository-state.ts";
import { resolveStanzaConfig } from "#repository/pgbackrest/resolve.ts";
import { verifyRepository } from "#repository/pgbackrest/verify.ts";
import { secretKeyMissing, type SecretSelector } from "#store/resolve.ts";
import { locationOfRepository, type StanzaSpec } from "#repository/pgbackrest/config.ts";
import { stopSignal } from "./stop-signal.ts";

const { STANZA_SPEC = "{}", STANZA_SECRETS = "[]", TERMINATION_MESSAGE = "/dev/termination-log" } = process.env;
/** The Job's own deadline ends it sooner. */
const deadlineMs = 24 * 3_600_000;

const logger = createLogger("info");
const signal = stopSignal();
const spec = JSON.parse(STANZA_SPEC) as StanzaSpec;
const selectors = JSON.parse(STANZA_SECRETS) as readonly SecretSelector[];

const readSecret = async (wanted: SecretSelector): Promise<string> => {
  const index = selectors.findIndex(({ name, key }) => name === wanted.name && key === wanted.key);
  const value = process.env[`STANZA_SECRET_${index}`];
  if (value === undefined) throw secretKeyMissing(wanted);
  return value;
};

async function verify(): Promise<ReadonlyMap<number, RepositoryVerdict>> {
  const reports = new Map<number, RepositoryVerdict>();
  const config = await resolveStanzaConfig({ spec }, readSecret, { signal });
  const scratch = join(tmpdir(), "stanza");
  await mkdir(scratch, { recursive: true });
  const pgbackrest = await openPgbackrest(config, { scratch });
  for (const each of config.repositories) {
    const { key: repository } = each;
    const report = await verifyRepository(pgbackrest, { repository, deadlineMs, signal }).catch(unread);
    logger.info({ repository, ...report }, "verified");
    reports.set(repository, { ...report, location: locationOfRepository(each) });
  }
  return reports;
}

const unread = (error: unknown): Pick<RepositoryVerdict, "state" | "message"> & { readonly state: "Unknown" } => ({
  state: "Unknown",
  message: inOneLine(error instanceof Error ? error.message : String(error)),
});

const verdict = await verify().then(verdictOf, unread);
logger.info(verdict, "the verdict");
await writeFile(TERMINATION_MESSAGE, formatVerdict(verdict));
process.exitCode = verdict.state === "Passed" ? 0 : 1;

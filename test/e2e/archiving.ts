// A database's archiving as its owner sees it: the condition of CNPG's Cluster and what PostgreSQL counts.
import { primaryOf, psql, read, until } from "./steps.ts";

export interface ArchivingCondition {
  readonly status: string;
  readonly message: string;
}

/** The Cluster's condition ContinuousArchiving; empty texts before there is one. */
export async function archivingCondition(namespace: string, cluster: string): Promise<ArchivingCondition> {
  const condition = '{.status.conditions[?(@.type=="ContinuousArchiving")]';
  const fields = `${condition}.status}|${condition}.message}`;
  const text = await read(namespace, `clusters.postgresql.cnpg.io/${cluster}`, fields);
  const [status = "", ...message] = text.split("|");
  return { status, message: message.join("|") };
}

/** Writes something and closes the segment that it is in; its name. */
export const closeSegment = async (namespace: string, cluster: string): Promise<string> =>
  psql(
    namespace,
    await primaryOf(namespace, cluster),
    "SELECT pg_walfile_name(pg_switch_wal()) FROM pg_logical_emit_message(false, 'e2e', 'x')",
  );

/**
 * After three failures PostgreSQL asks again only in a minute or when a segment is closed, which a database in use does
 * all the time.
 */
const closeEveryMs = 5_000;

/** Closes a segment now and then until `check` gives a value. */
async function untilSeen<T>(
  place: { readonly namespace: string; readonly cluster: string },
  what: string,
  check: (condition: ArchivingCondition) => Promise<T | undefined>,
): Promise<T> {
  const { namespace, cluster } = place;
  let closedAtMs = Date.now();
  return until(`cluster ${cluster} ${what}`, 150_000, async () => {
    const condition = await archivingCondition(namespace, cluster);
    const value = await check(condition);
    if (value !== undefined) return value;
    if (Date.now() - closedAtMs > closeEveryMs) {
      await closeSegment(namespace, cluster);
      closedAtMs = Date.now();
    }
    throw new Error(`${condition.status}: ${condition.message}`);
  });
}

/** Waits until the Cluster says that its archiving fails, in words that match; gives the whole message. */
export async function untilNotArchiving(namespace: string, cluster: string, message: RegExp): Promise<string> {
  await closeSegment(namespace, cluster);
  return untilSeen({ namespace, cluster }, `to say that archiving fails: ${message}`, async (condition) =>
    condition.status === "False" && message.test(condition.message) ? condition.message : undefined,
  );
}

/** Waits until a segment that is closed now is archived, and the Cluster says that all is well. */
export async function untilArchiving(namespace: string, cluster: string): Promise<void> {
  const segment = await closeSegment(namespace, cluster);
  await untilSeen({ namespace, cluster }, `to archive segment ${segment}`, async ({ status }) => {
    const primary = await primaryOf(namespace, cluster);
    const last = await psql(namespace, primary, "SELECT last_archived_wal FROM pg_stat_archiver");
    return status === "True" && last >= segment ? true : undefined;
  });
}

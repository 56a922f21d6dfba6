// The preflight of a Stanza's repository in Azure: pgBackRest writes a small file and removes it. That it can be read is seen
// when its catalog is read.
import { callRepository } from "#repository/pgbackrest/files.ts";
import type { Pgbackrest, RunOptions } from "#repository/pgbackrest/pgbackrest.ts";
import { attempt, failed, notRun, notRunAfter, passed, type Check, type Outcome } from "#store/check.ts";

interface Canary {
  /** pgBackRest's number of the repository. */
  readonly key: number;
  /** Below its path. */
  readonly file: string;
  readonly signal: AbortSignal;
}

const deadlineMs = 12_000;

/** Of pgBackRest: there is no such command, as in Debian's from 2.59 on. */
const unknownCommand = 48;

export async function tryAzure(pgbackrest: Pgbackrest, { key, file, signal }: Canary): Promise<readonly Check[]> {
  const ask = (command: string, given: Pick<RunOptions, "options" | "input" | "answers">) =>
    attempt(signal, command, () =>
      callRepository(pgbackrest, key, command, { ...given, parameters: [file], deadlineMs, signal }),
    );
  // `--raw`: pgBackRest knows a passphrase only for its own folders.
  const input = "written to see that this can be done\n";
  const put = await ask("repo-put", { options: ["--raw"], input, answers: [unknownCommand] });
  if (put.error !== undefined) return [stated("Put", put), notRunAfter("Delete", "Put")];
  if (put.value.code === unknownCommand) return [notRun("Put", "this pgBackRest has no command for it")];
  return [stated("Put", put), stated("Delete", await ask("repo-rm", {}))];
}

const stated = (name: "Put" | "Delete", outcome: Outcome<unknown>): Check => {
  if (outcome.error === undefined) return passed(name, "done by pgBackRest", outcome);
  // Which repository it is stands beside the check.
  const check = failed(name, outcome);
  return { ...check, message: check.message.replace(/^repository \d+ of stanza \S+: /, "") };
};

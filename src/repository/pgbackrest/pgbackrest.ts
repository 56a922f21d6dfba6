// pgBackRest for one Stanza: what every command needs is set once, so that callers say only what they want done.
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeAuthorities } from "./authorities.ts";
import type { StanzaConfig } from "./config.ts";
import { environmentOf, type Surroundings } from "./environment.ts";
import { loggedOf, type OnLog } from "./logged.ts";
import { searchListOf } from "./search-list.ts";
import { runProgram, type ProgramCall, type ProgramResult } from "./run-program.ts";

export type RunOptions = Pick<ProgramCall, "signal" | "deadlineMs" | "answers" | "onLine" | "output" | "input"> & {
  /** Options in the form `--name=value`; no secrets. */
  readonly options?: readonly string[];
  readonly parameters?: readonly string[];
  /** Only this repository. */
  readonly repository?: number;
  /** As if the Stanza had these repositories and no other: for commands that know no option `--repo`. */
  readonly only?: readonly number[];
};

export interface Pgbackrest {
  readonly config: StanzaConfig;
  readonly surroundings: Surroundings;
  /** Throws PgbackrestError; uses the keys of now. */
  run(command: string, options: RunOptions): Promise<ProgramResult>;
  close(): void;
}

export interface PgbackrestOptions extends Omit<Surroundings, "caFiles" | "lockPath"> {
  /** A folder of this process's own. */
  readonly scratch: string;
  readonly program?: string;
  /** Namespace in which host names without dots are Services; that of this pod when absent. */
  readonly namespace?: string;
  readonly credentials?: () => StanzaConfig["credentials"];
  /** Takes what pgBackRest says at the Stanza's logLevel, beside errors; nothing more than errors is asked for when absent. */
  readonly onLog?: OnLog;
}

/** Starts no program: what is wrong shows at the first command. */
export async function openPgbackrest(config: StanzaConfig, options: PgbackrestOptions): Promise<Pgbackrest> {
  const { scratch, database, spoolPath, program = "pgbackrest" } = options;
  const surroundings: Surroundings = {
    lockPath: join(scratch, "lock"),
    caFiles: await writeAuthorities(config.repositories, join(scratch, "ca")),
    ...(database && { database }),
    ...(spoolPath !== undefined && { spoolPath }),
  };
  await mkdir(surroundings.lockPath, { recursive: true });
  const inherited = inheritedVariables(process.env, options.namespace);
  const credentials = options.credentials ?? (() => config.credentials);
  return {
    config,
    surroundings,
    run: (command, { options: given = [], parameters = [], repository, only, ...call }) => {
      const current = { ...config, credentials: credentials() };
      const logged = loggedOf(current, { command, options: given, onLine: call.onLine, onLog: options.onLog });
      const chosen = repository === undefined ? [] : [`--repo=${repository}`];
      return runProgram({
        ...call,
        ...logged.call,
        program,
        args: [command, ...logged.options, ...chosen, ...parameters],
        env: {
          ...inherited,
          ...(database && sessionVariables),
          ...environmentOf(restrictedTo(only, current), surroundings),
        },
      });
    },
    close: () => undefined,
  };
}

function restrictedTo(only: readonly number[] | undefined, config: StanzaConfig): StanzaConfig {
  if (only === undefined) return config;
  const isWanted = (index: number): boolean => only.includes(config.repositories[index]?.key ?? 0);
  return {
    ...config,
    repositories: config.repositories.filter((_, index) => isWanted(index)),
    credentials: { kind: "repositories", each: config.credentials.each.filter((_, index) => isWanted(index)) },
  };
}

/** libpq's: the server's own time limits must not end a session that waits for a long copy. */
const sessionVariables = {
  PGOPTIONS: ["statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"]
    .map((setting) => `-c ${setting}=0`)
    .join(" "),
};

/**
 * What the system's libraries read, and nothing that begins with PGBACKREST_: a Service of that name in the namespace
 * would otherwise bring variables that pgBackRest takes for wrong options. AWS_: identity of the pod.
 */
function inheritedVariables(env: NodeJS.ProcessEnv, namespace: string | undefined): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name, value]) =>
      value !== undefined && (/^(PATH|TMPDIR|TZ|LANG|SSL_CERT_(FILE|DIR))$/.test(name) || name.startsWith("AWS_")),
  ) as [string, string][];
  const search = namespace === undefined ? {} : { LOCALDOMAIN: searchListOf(namespace, readResolverFile()) };
  return { ...Object.fromEntries(kept), HOME: "/nonexistent", ...search };
}

function readResolverFile(): string {
  try {
    return readFileSync("/etc/resolv.conf", "utf8");
  } catch {
    return "";
  }
}

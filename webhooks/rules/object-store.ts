// What an ObjectStore must hold beyond its schema, and what may not be done to one that a Cluster archives to. Pure.
import type { ObjectStore } from "#api/gen/object-store.ts";
import { locationOf } from "#store/location.ts";
import { specProblems, specWarnings } from "#store/spec.ts";
import type { Finding, Judgement } from "../judgement.ts";
import { judgeDeletion, namedArchivers, type Archiver, type DeletionSubject } from "./archivers.ts";
import { judgeSidecarSettings } from "./sidecar-settings.ts";

/** A Cluster of the namespace whose archive, with the store at its new place, is another Cluster's. */
export interface Clash {
  readonly cluster: string;
  /** Name of the archive at that place: a server name, or that of a stanza. */
  readonly archive: string;
  /** The other's name; left out when it is in another namespace. */
  readonly other?: string;
}

export interface StoreSubject {
  readonly object: ObjectStore;
  /** As it is stored; absent when it is new. */
  readonly old?: ObjectStore | undefined;
  readonly archivers: readonly Archiver[];
  readonly clashes: readonly Clash[];
}

export function judgeObjectStore({ object, old, archivers, clashes }: StoreSubject): Judgement {
  const { spec } = object;
  const sidecar = judgeSidecarSettings(spec.instanceSidecarConfiguration ?? {});
  const move = old === undefined ? nothing : judgeMove(object, old, archivers);
  const clash = judgeClashes(object, old, clashes);
  const retention = judgeRetention(spec);
  return {
    problems: [...specProblems(spec), ...retention.problems, ...sidecar.problems, ...move.problems, ...clash.problems],
    warnings: [...specWarnings(spec), ...retention.warnings, ...sidecar.warnings, ...move.warnings, ...clash.warnings],
  };
}

export const judgeObjectStoreDeletion = (subject: DeletionSubject): Judgement => judgeDeletion("store", subject);

const nothing: Judgement = { problems: [], warnings: [] };

/**
 * Half of an archive here and half there restores nothing, and the other place may hold another database's. A store in
 * which nothing is yet may be moved: how else would a mistyped place be corrected?
 */
function judgeMove(object: ObjectStore, old: ObjectStore, archivers: readonly Archiver[]): Judgement {
  const namespace = object.metadata.namespace ?? "";
  const before = locationOf(old.spec, namespace);
  if (before === undefined || before === locationOf(object.spec, namespace)) return nothing;
  const { servers = [], serverCount = 0 } = old.status ?? {};
  const mayHold = (serverName: string | undefined): boolean =>
    serverCount > servers.length || servers.some(({ name }) => name === serverName);
  const held = archivers.filter(({ serverName, archivesNothing }) => !archivesNothing || mayHold(serverName));
  if (held.length === 0)
    return archivers.length === 0
      ? nothing
      : { problems: [], warnings: [`spec.configuration: ${namedArchivers(archivers)} to the new place from now on`] };
  const moved =
    old.spec.configuration.destinationPath === object.spec.configuration.destinationPath
      ? "endpointURL"
      : "destinationPath";
  const message = `${namedArchivers(held)} here: moving the store would tear the archive apart`;
  const hint = "make another ObjectStore for the new place and name it in the Cluster's parameters";
  return { problems: [{ field: `spec.configuration.${moved}`, message, hint }], warnings: [] };
}

/** One that stands already is no reason to refuse new credentials: the store could not be moved away either. */
function judgeClashes(object: ObjectStore, old: ObjectStore | undefined, clashes: readonly Clash[]): Judgement {
  const namespace = object.metadata.namespace ?? "";
  const found = clashes.map(clashProblem);
  const stays = old !== undefined && locationOf(old.spec, namespace) === locationOf(object.spec, namespace);
  return stays
    ? { problems: [], warnings: found.map(({ field, message }) => `${field}: ${message}`) }
    : { problems: found, warnings: [] };
}

function clashProblem({ cluster, archive, other }: Clash): Finding {
  const by = other === undefined ? "by a Cluster of another namespace" : `by Cluster ${other}`;
  return {
    field: "spec.configuration.destinationPath",
    message: `Cluster ${cluster} would archive into ${JSON.stringify(archive)} there, which is in use ${by}`,
    hint: "write another path, or give the Cluster another serverName first",
  };
}

const daysOf: Readonly<Record<string, number>> = { d: 1, w: 7, m: 31 };
const retentionDaysMax = 100 * 366;

function judgeRetention({ retentionPolicy, retention }: ObjectStore["spec"]): Judgement {
  const problems: Finding[] = [];
  const warnings: string[] = [];
  if (retentionPolicy === undefined) {
    if (retention?.minimumBackups !== undefined)
      warnings.push("spec.retention.minimumBackups: has no effect without spec.retentionPolicy: everything is kept");
    return { problems, warnings };
  }
  const days = Number.parseInt(retentionPolicy, 10) * (daysOf[retentionPolicy.at(-1) ?? ""] ?? 1);
  if (days > retentionDaysMax) {
    const message = "longer than 100 years: nothing would ever be deleted";
    problems.push({ field: "spec.retentionPolicy", message, hint: "leave it out to keep everything" });
  }
  if ((retention?.minimumBackups ?? 1) > 10_000) {
    const message = "more backups than there will ever be: nothing would be deleted";
    problems.push({
      field: "spec.retention.minimumBackups",
      message,
      hint: "leave retentionPolicy out to keep everything",
    });
  }
  warnings.push(
    "spec.retention.mode: is Preview, so nothing is deleted until it is Enforce, which this release does not have yet",
  );
  return { problems, warnings };
}

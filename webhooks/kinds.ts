// Which rules judge which kind. A kind is one line in the table.
import { isDeepStrictEqual } from "node:util";
import type { ValidateFunction } from "ajv";
import type { Backup } from "#api/gen/backup.ts";
import { validate as validateBackup } from "#api/gen/backup.validator.js";
import type { BackupSchedule } from "#api/gen/backup-schedule.ts";
import { validate as validateBackupSchedule } from "#api/gen/backup-schedule.validator.js";
import type { ObjectStore } from "#api/gen/object-store.ts";
import { validate as validateObjectStore } from "#api/gen/object-store.validator.js";
import type { Stanza } from "#api/gen/stanza.ts";
import { validate as validateStanza } from "#api/gen/stanza.validator.js";
import { readViolations, type Violation } from "#api/violations.ts";
import { decodeBackup } from "#cnpg/backup.ts";
import type { KubeObject } from "#kube/object.ts";
import type { Facts } from "./facts.ts";
import type { Judgement } from "./judgement.ts";
import type { AdmissionRequest } from "./review.ts";
import { judgeBackup } from "./rules/backup.ts";
import { judgeBackupSchedule } from "./rules/backup-schedule.ts";
import { judgeCnpgBackup } from "./rules/cnpg-backup.ts";
import { judgeCluster } from "./rules/cluster.ts";
import type { Destination } from "./rules/destination.ts";
import { judgeObjectStore, judgeObjectStoreDeletion } from "./rules/object-store.ts";
import { judgeStanza, judgeStanzaDeletion } from "./rules/stanza.ts";

export interface JudgeDeps {
  readonly facts: Facts;
  readonly now: () => Date;
}

/** What a rule is asked about; `old` is absent when the object is new. */
interface Subject<T> {
  readonly object: T;
  readonly old?: T | undefined;
}

interface Kind {
  readonly change: (subject: Subject<KubeObject>, deps: JudgeDeps) => Judgement;
  readonly deletion?: (old: KubeObject, deps: JudgeDeps) => Judgement;
}

const accepted: Judgement = { problems: [], warnings: [] };

/** One of our kinds: the schema first, then the rule, which may rely on the schema. */
const ours = <T extends KubeObject>(
  validate: ValidateFunction,
  rule: (subject: Subject<T>, deps: JudgeDeps) => Judgement = () => accepted,
): Kind["change"] => {
  const check = (object: KubeObject): readonly Violation[] => {
    const { spec } = object as { readonly spec?: unknown };
    const found = validate(spec) ? [] : readViolations("spec", validate.errors);
    // Errors hold the object they are about, and the validator holds the errors.
    validate.errors = null;
    return found;
  };
  return ({ object, old }, deps) => {
    const violations = check(object);
    if (!isReadable(violations)) return { problems: violations, warnings: [] };
    // What was stored under another schema is no measure.
    const measure = old !== undefined && isReadable(check(old)) ? old : undefined;
    const { problems, warnings } = rule({ object, old: measure } as Subject<T>, deps);
    return { problems: [...violations, ...problems], warnings };
  };
};

const isReadable = (violations: readonly Violation[]): boolean =>
  violations.every(({ isUnknownField }) => isUnknownField);

function ofCnpg({ object, old }: Subject<KubeObject>, { facts }: JudgeDeps): Judgement {
  const { metadata, spec } = decodeBackup(object);
  return judgeCnpgBackup({
    spec,
    old: old && decodeBackup(old).spec,
    metadata: object.metadata,
    destination: facts.destination(metadata.namespace, spec.cluster),
  });
}

const kinds: Readonly<Record<string, Kind>> = {
  "objectstores.holdfast.dev": {
    change: ours<ObjectStore>(validateObjectStore, ({ object, old }, { facts }) => {
      const { namespace = "", name } = object.metadata;
      return judgeObjectStore({
        object,
        old,
        archivers: facts.archivers({ kind: "ObjectStore", namespace, name }),
        clashes: facts.clashes(object),
      });
    }),
    deletion: (old, { facts }) => {
      const { namespace = "", name } = old.metadata;
      const namespaceIsTerminating = facts.namespaceIsTerminating(namespace);
      const archivers = facts.archivers({ kind: "ObjectStore", namespace, name });
      return judgeObjectStoreDeletion({ archivers, namespaceIsTerminating });
    },
  },
  "stanzas.holdfast.dev": {
    change: ours<Stanza>(validateStanza, ({ object, old }, { facts }) => {
      const { namespace = "", name } = object.metadata;
      const archivers = facts.archivers({ kind: "Stanza", namespace, name });
      return judgeStanza({ object, old, archivers, clashes: facts.stanzaClashes(object) });
    }),
    deletion: (old, { facts }) => {
      const { namespace = "", name } = old.metadata;
      const namespaceIsTerminating = facts.namespaceIsTerminating(namespace);
      const archivers = facts.archivers({ kind: "Stanza", namespace, name });
      return judgeStanzaDeletion({ archivers, namespaceIsTerminating });
    },
  },
  "backups.holdfast.dev": {
    change: ours<Backup>(validateBackup, ({ object, old }, { facts }) =>
      judgeBackup({ object, old, destination: destinationOf(object, facts) }),
    ),
  },
  "backupschedules.holdfast.dev": {
    change: ours<BackupSchedule>(validateBackupSchedule, ({ object, old }, { facts, now }) =>
      judgeBackupSchedule({ object, old, now: now(), destination: destinationOf(object, facts) }),
    ),
  },
  "backups.postgresql.cnpg.io": { change: ofCnpg },
  "scheduledbackups.postgresql.cnpg.io": { change: ofCnpg },
  "clusters.postgresql.cnpg.io": {
    change: ({ object, old }, { facts }) =>
      judgeCluster({ object: facts.view(object), ...(old !== undefined && { old: facts.view(old) }) }),
  },
};

const destinationOf = ({ metadata, spec }: Backup | BackupSchedule, facts: Facts): Destination | undefined =>
  spec.cluster === undefined ? undefined : facts.destination(metadata.namespace ?? "", spec.cluster.name);

/** Judges a request from memory. Throws only where a rule has a mistake of ours. */
export function judge(request: AdmissionRequest, deps: JudgeDeps): Judgement {
  const kind = Object.hasOwn(kinds, request.resource) ? kinds[request.resource] : undefined;
  if (kind === undefined) {
    const message = `this version of the operator has no rules for ${request.resource.slice(0, 100)}`;
    return { problems: [{ field: "kind", message, hint: "update the operator" }], warnings: [] };
  }
  const { object, old } = { object: located(request.object, request), old: located(request.old, request) };
  if (object === undefined) return (old && kind.deletion?.(old, deps)) ?? accepted;
  // What is going away, and what nobody changes, must not be held up: finalizers, labels, the operator's own notes.
  if (object.metadata.deletionTimestamp !== undefined) return accepted;
  if (old !== undefined && isDeepStrictEqual(specOf(object), specOf(old))) return accepted;
  return kind.change({ object, old }, deps);
}

const specOf = (object: KubeObject): unknown => (object as { readonly spec?: unknown }).spec;

/** With name and namespace of the request, which a generated name and a client's omission leave out of the object. */
function located(fields: AdmissionRequest["object"], { name, namespace }: AdmissionRequest): KubeObject | undefined {
  if (fields === undefined) return undefined;
  const metadata = fields["metadata"];
  const given = typeof metadata === "object" && metadata !== null ? (metadata as Partial<KubeObject["metadata"]>) : {};
  const named = typeof given.name === "string" && given.name !== "" ? given.name : name || "(new)";
  return { ...fields, metadata: { ...given, name: named, namespace } };
}

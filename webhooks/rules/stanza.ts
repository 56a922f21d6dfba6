// What a Stanza must hold beyond its schema, and what may not be done to one that a Cluster archives to. Pure.
import type { Stanza } from "#api/gen/stanza.ts";
import { stanzaLocations } from "#repository/pgbackrest/location.ts";
import { stanzaProblems, stanzaWarnings } from "#repository/pgbackrest/spec.ts";
import type { Finding, Judgement } from "../judgement.ts";
import { judgeDeletion, type Archiver, type DeletionSubject } from "./archivers.ts";
import type { Clash } from "./object-store.ts";
import { judgeSidecarSettings } from "./sidecar-settings.ts";
import { judgeStanzaChange } from "./stanza-change.ts";

export interface StanzaSubject {
  readonly object: Stanza;
  /** As it is stored; absent when it is new. */
  readonly old?: Stanza | undefined;
  readonly archivers: readonly Archiver[];
  readonly clashes: readonly Clash[];
}

export function judgeStanza({ object, old, archivers, clashes }: StanzaSubject): Judgement {
  const { spec } = object;
  const settings = spec.instanceSidecarConfiguration ?? {};
  const judgements = [
    judgeSidecarSettings(settings),
    old === undefined ? nothing : judgeStanzaChange(object, old, archivers),
    judgeClashes(object, old, clashes),
  ];
  return {
    problems: [...stanzaProblems(spec), ...judgements.flatMap(({ problems }) => problems)],
    warnings: [
      ...judgements.flatMap(({ warnings }) => warnings),
      ...variableWarnings(settings.env ?? []),
      ...stanzaWarnings(spec),
    ],
  };
}

export const judgeStanzaDeletion = (subject: DeletionSubject): Judgement => judgeDeletion("Stanza", subject);

const nothing: Judgement = { problems: [], warnings: [] };

/** What pgBackRest is told comes from the Stanza alone: the sidecar hands on none of its own variables of that name. */
const variableWarnings = (env: readonly { readonly name: string }[]): readonly string[] =>
  env
    .slice(0, 100)
    .flatMap(({ name }, index) =>
      name.startsWith("PGBACKREST_")
        ? [
            `spec.instanceSidecarConfiguration.env[${index}]: has no effect: write it in spec.stanzaConfiguration.customEnvVar`,
          ]
        : [],
    );

/** One that stands already is no reason to refuse new credentials. */
function judgeClashes(object: Stanza, old: Stanza | undefined, clashes: readonly Clash[]): Judgement {
  const namespace = object.metadata.namespace ?? "";
  const before = old === undefined ? [] : stanzaLocations(old.spec, namespace);
  const stays = old !== undefined && stanzaLocations(object.spec, namespace).every((place) => before.includes(place));
  const found = clashes.map(clashProblem);
  return stays
    ? { problems: [], warnings: found.map(({ field, message }) => `${field}: ${message}`) }
    : { problems: found, warnings: [] };
}

function clashProblem({ cluster, archive, other }: Clash): Finding {
  const by = other === undefined ? "by a Cluster of another namespace" : `by Cluster ${other}`;
  return {
    field: "spec.stanzaConfiguration.name",
    message: `Cluster ${cluster} would archive into the stanza ${JSON.stringify(archive)} there, which is in use ${by}`,
    hint: "write another name or other repositories: a stanza has one Cluster",
  };
}

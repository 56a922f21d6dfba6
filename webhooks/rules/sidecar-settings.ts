// What an ObjectStore sets for the sidecar's container. Kubernetes refuses a pod with a mistake in it, so the mistake would
// show only when a database is to start again: it is refused here. Pure.
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Finding, Judgement } from "../judgement.ts";

type Settings = NonNullable<ObjectStore["spec"]["instanceSidecarConfiguration"]>;
type Quantities = Readonly<Record<string, string | number>>;

const root = "spec.instanceSidecarConfiguration";

export function judgeSidecarSettings({
  env = [],
  resources = {},
  retentionPolicyIntervalSeconds,
}: Settings): Judgement {
  const { requests = {}, limits = {} } = resources;
  const shown = env.slice(0, envMax);
  return {
    problems: [
      ...(env.length > envMax
        ? [{ field: `${root}.env`, message: `has ${env.length} entries`, hint: `at most ${envMax}` }]
        : []),
      ...shown.flatMap((variable, index) => variableProblems(variable, `${root}.env[${index}]`)),
      ...repeated(shown),
      ...quantityProblems("requests", requests),
      ...quantityProblems("limits", limits),
      ...limitProblems(requests, limits),
    ],
    warnings: [
      ...shown.flatMap(({ name }, index) =>
        ownVariables.has(name) ? [`${root}.env[${index}]: ${name} has no effect, the sidecar sets it itself`] : [],
      ),
      ...(retentionPolicyIntervalSeconds === undefined
        ? []
        : [`${root}.retentionPolicyIntervalSeconds: has no effect until retention is enforced`]),
    ],
  };
}

const envMax = 100;

/** What the sidecar is given by the operator or CloudNativePG, before anything that a store says. */
const ownVariables: ReadonlySet<string> = new Set([
  "TMPDIR",
  "HOLDFAST_LOG_LEVEL",
  "PGDATA",
  "POD_NAME",
  "NAMESPACE",
  "CLUSTER_NAME",
  "PGHOST",
  "PGPORT",
]);

/** Where a value may come from, with what Kubernetes asks of each. */
const sources: Readonly<Record<string, readonly string[]>> = {
  configMapKeyRef: ["name", "key"],
  fieldRef: ["fieldPath"],
  fileKeyRef: ["volumeName", "path", "key"],
  resourceFieldRef: ["resource"],
  secretKeyRef: ["name", "key"],
};

type Variable = NonNullable<Settings["env"]>[number];

function variableProblems({ name, value, valueFrom }: Variable, field: string): Finding[] {
  const problems: Finding[] = [];
  if (!/^[-._A-Za-z][-._A-Za-z0-9]*$/.test(name) || name.length > 1024) {
    const hint = "letters, digits and _, beginning with a letter";
    problems.push({ field: `${field}.name`, message: "cannot be the name of a variable", hint });
  }
  if (valueFrom === undefined) return problems;
  const given = Object.entries(valueFrom);
  const [kind, source] = given[0] ?? ["", undefined];
  if (value !== undefined && value !== "")
    problems.push({ field, message: "value and valueFrom exclude each other", hint: "keep one of them" });
  const needed = Object.hasOwn(sources, kind) ? sources[kind] : undefined;
  if (given.length !== 1 || needed === undefined) {
    const hint = `one of ${Object.keys(sources).join(", ")}`;
    return [...problems, { field: `${field}.valueFrom`, message: "names no single source", hint }];
  }
  return [...problems, ...sourceProblems(source, needed, `${field}.valueFrom.${kind}`)];
}

function sourceProblems(source: unknown, needed: readonly string[], field: string): Finding[] {
  const given: Readonly<Record<string, unknown>> = typeof source === "object" ? { ...source } : {};
  const hint = "as in the container of a pod";
  const missing = needed.filter((name) => typeof given[name] !== "string" || given[name] === "");
  const nested = Object.keys(given).filter((name) => !needed.includes(name) && typeof given[name] === "object");
  return [
    ...missing.map((name) => ({ field: `${field}.${name}`, message: "must be a text", hint })),
    ...nested.slice(0, 10).map((name) => ({ field: `${field}.${name}`, message: "must be a plain value", hint })),
  ];
}

function repeated(env: readonly Variable[]): Finding[] {
  return env.flatMap(({ name }, index) => {
    const first = env.findIndex((other) => other.name === name);
    if (first === index) return [];
    return [{ field: `${root}.env[${index}].name`, message: `the same as env[${first}]`, hint: "keep one of them" }];
  });
}

const knownResource = /^(cpu|memory|ephemeral-storage|hugepages-[0-9]+(Ki|Mi|Gi)|[a-z0-9.-]+\/[A-Za-z0-9._-]+)$/;

const quantityProblems = (list: string, quantities: Quantities): Finding[] =>
  Object.entries(quantities)
    .slice(0, 50)
    .flatMap(([name, quantity]) => {
      const field = `${root}.resources.${list}.${name.slice(0, 100)}`;
      if (!knownResource.test(name))
        return [{ field, message: "not a resource of containers", hint: "cpu, memory or ephemeral-storage" }];
      if (amount(quantity) === undefined)
        return [{ field, message: `${short(quantity)} is not a quantity`, hint: 'such as "128Mi" or "250m"' }];
      return [];
    });

const limitProblems = (requests: Quantities, limits: Quantities): Finding[] =>
  Object.entries(requests).flatMap(([name, quantity]) => {
    const limit = limits[name];
    const [asked, most] = [amount(quantity), limit === undefined ? undefined : amount(limit)];
    if (asked === undefined || most === undefined || asked <= most) return [];
    const message = `${short(quantity)} is more than the limit, ${short(limit)}`;
    return [{ field: `${root}.resources.requests.${name}`, message, hint: "raise the limit or ask for less" }];
  });

const short = (value: unknown): string => JSON.stringify(value).slice(0, 40);

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity of Kubernetes that is not negative; undefined for anything else. */
function amount(quantity: string | number): number | undefined {
  const text = String(quantity);
  const form = /^\+?(\d+(?:\.\d*)?|\.\d+)(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i))?$/;
  const [, digits = "", exponent, suffix = ""] = (text.length > 64 ? null : form.exec(text)) ?? [];
  if (digits === "") return undefined;
  return exponent === undefined ? Number(digits) * (factors[suffix] ?? 1) : Number(`${digits}${exponent}`);
}

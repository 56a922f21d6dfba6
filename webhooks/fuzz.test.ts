// Anything at all, and good objects with anything in some place, through the whole of what a request passes: no exception
// but the two that are answered, no hang, no answer out of bounds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject } from "#kube/object.ts";
import { ObjectCache } from "#kube/object-cache.ts";
import { clusterIndexes, createFacts, stanzaIndexes, storeIndexes } from "./facts.ts";
import { judge, type JudgeDeps } from "./kinds.ts";
import { mutate } from "./mutation.ts";
import { answer, answerChanged, MalformedReview, parseReview } from "./review.ts";

const stores = new ObjectCache<ObjectStore>(storeIndexes);
const stanzas = new ObjectCache<Stanza>(stanzaIndexes);
const clusters = new ObjectCache<KubeObject>(clusterIndexes);
const facts = createFacts({ stores, stanzas, clusters, namespaces: { get: () => undefined } });
const deps = { facts, now: () => new Date("2026-01-01T00:00:00Z") };

const encoder = new TextEncoder();
/** Kubernetes takes no more than 256 KiB of messages in all; ours stay far below. */
const answerBytesMax = 64 * 1024;
/** Of processor time, so that a busy machine proves nothing. */
const millisecondsMax = 1_000;

/** Passes one body through; what it is answered, or "malformed". */
function pass(body: Uint8Array, known: JudgeDeps = deps): string {
  const began = process.threadCpuUsage();
  try {
    const request = parseReview(body);
    const text = JSON.stringify(answer(request, judge(request, known)));
    expect(encoder.encode(text).length).toBeLessThan(answerBytesMax);
    expect(JSON.parse(text)).toMatchObject({ response: { uid: request.uid } });
    return text;
  } catch (error) {
    if (error instanceof MalformedReview) return "malformed";
    throw error;
  } finally {
    const { user, system } = process.threadCpuUsage(began);
    expect((user + system) / 1_000).toBeLessThan(millisecondsMax);
  }
}

const reviewOf = (resource: string, operation: string, object: unknown, oldObject?: unknown): object => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "u",
    operation,
    kind: { kind: "Thing" },
    resource: { resource, group: resource === "clusters" ? "postgresql.cnpg.io" : "holdfast.dev" },
    namespace: "default",
    name: "thing",
    object,
    oldObject,
  },
});

const key = { name: "minio", key: "KEY" };
const goodStore = {
  metadata: { name: "minio", namespace: "default", uid: "1" },
  spec: {
    configuration: {
      destinationPath: "s3://backups/",
      endpointURL: "http://minio:9000",
      endpointCA: key,
      s3Credentials: { accessKeyId: key, secretAccessKey: key },
      wal: { compression: "zstd", maxParallel: 4, archiveAdditionalCommandArgs: ["--read-timeout=60"] },
      data: { compression: "gzip", jobs: 2, immediateCheckpoint: true },
      tags: { a: "b" },
    },
    retentionPolicy: "30d",
    retention: { minimumBackups: 2, mode: "Preview" },
    instanceSidecarConfiguration: { env: [{ name: "A", value: "1" }], resources: { limits: { cpu: 1 } } },
  },
};
const goodCluster = {
  metadata: { name: "pg", namespace: "default", uid: "2", annotations: {} },
  spec: {
    instances: 1,
    imageName: "pg:17",
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { objectStore: "minio", serverName: "pg" } }],
    bootstrap: { recovery: { source: "origin", recoveryTarget: { targetTime: "x" } } },
    replica: { source: "origin", enabled: true },
    externalClusters: [{ name: "origin", plugin: { name: "holdfast.dev", parameters: { objectStore: "minio" } } }],
    tablespaces: [],
  },
  status: { currentPrimary: "pg-1", conditions: [{ type: "ContinuousArchiving", status: "True", reason: "x" }] },
};
const goodStanza = {
  metadata: { name: "main", namespace: "default", uid: "4" },
  spec: {
    stanzaConfiguration: {
      name: "main",
      s3Repositories: [
        {
          bucket: "backups",
          endpoint: "https://minio:9000",
          region: "us-east-1",
          repoPath: "/pg",
          uriStyle: "path",
          verifyTLS: true,
          endpointCA: key,
          secretRef: { accessKeyId: key, secretAccessKey: key },
          retentionPolicy: { full: 2, fullType: "count", diff: 3, archive: 2, archiveType: "full", history: 30 },
          cipherConfig: { encryptionPass: key },
        },
      ],
      azureRepositories: [
        { account: "account1", container: "backups", repoPath: "/pg", secretRef: { keyReference: key } },
      ],
      processMax: 4,
      archive: { async: true, pushQueueMax: "1GiB", getQueueMax: "128MiB", spool: { size: "1Gi" } },
      compressConfig: { type: "zst", level: 3 },
      customEnvVar: { PGBACKREST_IO_TIMEOUT: "60", PGBACKREST_REPO1_BUNDLE: "y" },
    },
    backup: { fullEvery: "7d", chainMax: 30 },
    retention: { mode: "Preview" },
    instanceSidecarConfiguration: { env: [{ name: "A", value: "1" }], resources: { limits: { cpu: 1 } } },
  },
  status: { repositories: [{ key: 1, state: "Ok" }] },
};
const goodStanzaCluster = {
  ...goodCluster,
  metadata: { ...goodCluster.metadata, name: "pg-stanza", uid: "5" },
  spec: {
    ...goodCluster.spec,
    plugins: [{ name: "holdfast.dev", isWALArchiver: true, parameters: { stanza: "main" } }],
    externalClusters: [{ name: "origin", plugin: { name: "holdfast.dev", parameters: { stanzaRef: "other" } } }],
  },
};
const goodBackup = {
  metadata: { name: "b", namespace: "default" },
  spec: { cluster: { name: "pg" }, target: "primary" },
};

const goodSchedule = {
  metadata: { name: "s", namespace: "default" },
  spec: {
    cluster: { name: "pg" },
    schedules: [{ cron: "0 2 * * 0", type: "full", target: "primary" }],
    timeZone: "Europe/Paris",
    jitter: "10m",
    suspend: false,
    deadline: "6h",
    retryLimit: 2,
    failedHistoryLimit: 3,
  },
};

const subjects = [
  ["objectstores", goodStore],
  ["stanzas", goodStanza],
  ["clusters", goodStanzaCluster],
  ["backups", goodBackup],
  ["backupschedules", goodSchedule],
  ["clusters", goodCluster],
] as const;
const subject = fc.constantFrom(...subjects);
const operation = fc.constantFrom("CREATE", "UPDATE", "DELETE");

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.string({ unit: "binary", maxLength: 2_000 }),
  fc.constantFrom<unknown>("__proto__", "\0", "a".repeat(50_000), -0, 1e308, [[[[]]]], { toString: 1 }, { length: -1 }),
);

type Path = readonly (string | number)[];

const pathsOf = (value: unknown, path: Path = []): Path[] => [
  path,
  ...(typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([name, inner]) =>
        pathsOf(inner, [...path, Array.isArray(value) ? Number(name) : name]),
      )
    : []),
];

/** A copy with `value` at the place; the place may be new. */
function put(target: unknown, [first, ...rest]: Path, value: unknown): unknown {
  if (first === undefined) return value;
  const copy: Record<string | number, unknown> = Array.isArray(target)
    ? ([...(target as unknown[])] as never)
    : { ...(target as object) };
  Object.defineProperty(copy, first, {
    value: put(copy[first], rest, value),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return copy;
}

/** A good object with one to three places changed, or fields put beside. */
const mutated = (good: object) =>
  fc
    .array(fc.tuple(fc.constantFrom(...pathsOf(good)), fc.option(fc.string({ maxLength: 20 })), odd), {
      minLength: 1,
      maxLength: 3,
    })
    .map((changes) =>
      changes.reduce<unknown>((object, [path, field, value]) => {
        const place = field === null ? path : [...path, field];
        try {
          return put(object, place, value);
        } catch {
          return object; // an earlier change has taken the place away
        }
      }, good),
    );

// A few hundred runs each are a second; a seed that fails is printed and can be run again.
const runs = { numRuns: 300, interruptAfterTimeLimit: 4_000, markInterruptAsFailure: false } as const;

describe("whatever is sent", () => {
  it("as bytes is malformed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4_000 }), (body) => pass(body) === "malformed"),
      runs,
    );
  });

  it("as JSON is malformed or answered", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => pass(encoder.encode(text)) === "malformed"),
      runs,
    );
  });

  it("in some place of a review is malformed or answered", () => {
    const review = subject.chain(([resource, good]) => mutated(reviewOf(resource, "UPDATE", good, good)));
    fc.assert(
      fc.property(review, (value) => pass(encoder.encode(JSON.stringify(value) ?? "")) !== ""),
      runs,
    );
  });

  it("in some place of an object is answered, be it new, changed or deleted, and known to the caches", () => {
    const change = fc
      .tuple(subject, operation)
      .chain(([[resource, good], op]) =>
        fc.tuple(fc.constant({ resource, op }), mutated(good), fc.oneof(fc.constant(good), mutated(good))),
      );
    fc.assert(
      fc.property(change, ([{ resource, op }, object, old]) => {
        remember(resource, old);
        const review = reviewOf(resource, op, object, old);
        return pass(encoder.encode(JSON.stringify(review))) !== "";
      }),
      runs,
    );
  });

  /** What an informer would hold: objects that some API server stored, so they have a name and a namespace. */
  function remember(resource: string, object: unknown): void {
    const named = { ...(object as object), metadata: { name: "known", namespace: "default", uid: "3" } };
    if (resource === "stanzas") stanzas.set(JSON.parse(JSON.stringify(named)) as Stanza);
    if (resource === "objectstores") stores.set(JSON.parse(JSON.stringify(named)) as ObjectStore);
    if (resource === "clusters") clusters.set(JSON.parse(JSON.stringify(named)) as KubeObject);
  }
});

describe("a CNPG Backup, whatever it is", () => {
  it("is answered with a patch or with none", () => {
    const object = {
      spec: { cluster: { name: "pg" }, method: "plugin", pluginConfiguration: { name: "holdfast.dev" }, target: "x" },
    };
    clusters.set(structuredClone(goodStanzaCluster));
    fc.assert(
      fc.property(mutated(object), (value) => {
        const review = JSON.parse(JSON.stringify(reviewOf("clusters", "CREATE", value))) as {
          request: { resource: object };
        };
        review.request.resource = { resource: "backups", group: "postgresql.cnpg.io" };
        try {
          const request = parseReview(encoder.encode(JSON.stringify(review)));
          return JSON.stringify(answerChanged(request, mutate(request, facts))).includes('"allowed":true');
        } catch (error) {
          if (error instanceof MalformedReview) return true;
          throw error;
        }
      }),
      runs,
    );
  });
});

describe("what is large", () => {
  const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
  const fields = (count: number): object => Object.fromEntries(many(count, (n) => [`field${n}`, n]));
  const configuration = goodStore.spec.configuration;

  it.each<[string, object]>([
    ["unknown fields", { ...goodStore.spec, ...fields(100_000) }],
    ["unknown fields deep down", { ...goodStore.spec, configuration: { ...configuration, wal: fields(100_000) } }],
    ["tags", { ...goodStore.spec, configuration: { ...configuration, tags: fields(50_000) } }],
    [
      "arguments",
      { configuration: { ...configuration, data: { additionalCommandArgs: many(100_000, (n) => `--no-${n}`) } } },
    ],
    ["variables", { configuration, instanceSidecarConfiguration: { env: many(50_000, (n) => ({ name: `A${n} B` })) } }],
    ["a retention policy", { configuration, retentionPolicy: `${"9".repeat(1_000_000)}d` }],
    ["a destination", { configuration: { ...configuration, destinationPath: `s3://b${"/a".repeat(500_000)}` } }],
    ["an endpoint", { configuration: { ...configuration, endpointURL: `http://${"a.".repeat(500_000)}` } }],
    [
      "a quantity",
      { configuration, instanceSidecarConfiguration: { resources: { limits: { cpu: "1".repeat(1_000_000) } } } },
    ],
  ])("is answered shortly and soon: %s", (_, spec) => {
    const text = pass(encoder.encode(JSON.stringify(reviewOf("objectstores", "CREATE", { metadata: {}, spec }))));
    expect(JSON.parse(text).response.allowed).toBe(false);
  });

  const stanzaWith = (changes: object) => ({ ...goodStanza.spec.stanzaConfiguration, ...changes });
  it.each<[string, object]>([
    ["variables", { customEnvVar: Object.fromEntries(many(20_000, (n) => [`PGBACKREST_IO_TIMEOT_${n}`, "5"])) }],
    ["a variable's name", { customEnvVar: { [`PGBACKREST_${"A_".repeat(200_000)}`]: "5" } }],
    ["a variable's value", { customEnvVar: { PGBACKREST_IO_TIMEOUT: "9".repeat(1_000_000) } }],
    ["repositories", { s3Repositories: many(2_000, () => goodStanza.spec.stanzaConfiguration.s3Repositories[0]) }],
    ["a name", { name: "a".repeat(1_000_000) }],
    ["a queue", { archive: { pushQueueMax: `${"9".repeat(500_000)}GiB` } }],
  ])("is answered shortly and soon for a Stanza: %s", (_, changes) => {
    const object = { metadata: {}, spec: { stanzaConfiguration: stanzaWith(changes) } };
    const text = pass(encoder.encode(JSON.stringify(reviewOf("stanzas", "CREATE", object))));
    expect(JSON.parse(text).response.allowed).toBe(false);
  });

  it.each<[string, object]>([
    ["lines", { schedules: many(20_000, (n) => ({ cron: `${n} 2 * * *` })) }],
    ["a cron line of many numbers", { schedules: [{ cron: `${"1,".repeat(200_000)}1 2 * * *` }] }],
    ["a cron line of many fields", { schedules: [{ cron: "* ".repeat(200_000) }] }],
    ["a time zone", { timeZone: "Europe/".repeat(100_000) }],
    ["a jitter", { jitter: `${"9".repeat(500_000)}h` }],
  ])("is answered shortly and soon for a schedule: %s", (_, changes) => {
    const object = { metadata: {}, spec: { ...goodSchedule.spec, ...changes } };
    const text = pass(encoder.encode(JSON.stringify(reviewOf("backupschedules", "CREATE", object))));
    expect(JSON.parse(text).response.allowed).toBe(false);
  });

  /** Runs of one letter that end in another: what an expression that tries every beginning needs the square of. */
  const runsOfOne = ["/", "@", ":", ".", "-", "0", " ", "a"].flatMap((letter) =>
    ["\n", "?", "!", "x"].map((end) => letter.repeat(40_000) + end),
  );
  const texts = subjects.flatMap(([resource, good]) =>
    pathsOf(good)
      .map((path) => ({ path, value: path.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], good) }))
      .flatMap(({ path, value }) => (typeof value === "string" ? [{ resource, good, path, value }] : [])),
  );
  it.each(texts.map((text) => [`${text.resource} ${text.path.join(".")}`, text] as const))(
    "is answered soon: runs of one letter in %s",
    (_, { resource, good, path, value }) => {
      for (const run of runsOfOne)
        for (const text of [run, `${value}${run}`])
          pass(encoder.encode(JSON.stringify(reviewOf(resource, "UPDATE", put(good, path, text), good))));
    },
  );

  it("is answered soon for a store that a thousand Clusters archive to", () => {
    const { spec } = goodCluster;
    const used = new ObjectCache<ObjectStore>(storeIndexes);
    const users = new ObjectCache<KubeObject>(clusterIndexes);
    used.set(structuredClone(goodStore) as unknown as ObjectStore);
    for (let n = 0; n < 1_000; n++) {
      const plugins = [{ ...spec.plugins[0], parameters: { objectStore: "minio", serverName: `pg-${n}` } }];
      const user = { metadata: { name: `pg-${n}`, namespace: "default", uid: `${n}` }, spec: { ...spec, plugins } };
      users.set(structuredClone(user) as KubeObject);
    }
    const many = createFacts({ stores: used, stanzas, clusters: users, namespaces: { get: () => undefined } });
    const { endpointCA: _, ...configuration } = goodStore.spec.configuration;
    const object = { ...goodStore, spec: { ...goodStore.spec, configuration } };
    const review = encoder.encode(JSON.stringify(reviewOf("objectstores", "UPDATE", object, goodStore)));
    expect(JSON.parse(pass(review, { ...deps, facts: many })).response.allowed).toBe(true);
  });

  it("is answered soon for a Cluster with thousands of parameters, and known to the caches as soon", () => {
    const names = many(40_000, (n) => [`objectStoreServer${n}`, ""] as const);
    const plugins = [{ name: "holdfast.dev", parameters: Object.fromEntries(names) }];
    const object = { metadata: { name: "pg", namespace: "default" }, spec: { ...goodCluster.spec, plugins } };
    const review = reviewOf("clusters", "UPDATE", object, goodCluster);
    expect(JSON.parse(pass(encoder.encode(JSON.stringify(review)))).response.allowed).toBe(false);
    const began = process.threadCpuUsage();
    clusters.set(structuredClone({ ...object, metadata: { ...object.metadata, uid: "many" } }));
    expect(process.threadCpuUsage(began).user / 1_000).toBeLessThan(millisecondsMax);
  });

  it("is answered for a Cluster with thousands of entries, too", () => {
    const plugins = many(5_000, (n) => ({ name: "holdfast.dev", parameters: { [`p${n}`]: "x" } }));
    const spec = { ...goodCluster.spec, plugins, externalClusters: many(20_000, (n) => ({ name: `c${n}` })) };
    const review = reviewOf("clusters", "CREATE", { metadata: {}, spec });
    expect(JSON.parse(pass(encoder.encode(JSON.stringify(review)))).response.allowed).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { decodeBackup, isFinished } from "./backup.ts";
import {
  decodeCluster,
  isArchiveRecovery,
  isReplicaCluster,
  serviceAccountName,
  skipsEmptyArchiveCheck,
  skipsWalArchiving,
} from "./cluster.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const metadata = { name: "pg", namespace: "db" };

describe("a Cluster", () => {
  it("is read from the bytes of a call as from the object of a watch, without apiVersion and kind", () => {
    const object = {
      metadata: { ...metadata, uid: "u", creationTimestamp: null },
      spec: {
        instances: 3,
        imageName: "postgresql:17",
        imagePullPolicy: "Always",
        serviceAccountName: "sa",
        env: [
          { name: "TZ", value: "UTC" },
          { name: "SECRET", valueFrom: {} },
        ],
        walStorage: { size: "1Gi" },
        tablespaces: [{ name: "big", storage: {} }],
        plugins: [{ name: "a" }, { name: "b", enabled: false, isWALArchiver: true, parameters: { x: "1", y: 2 } }],
        externalClusters: [
          { name: "origin", plugin: { name: "a", parameters: { serverName: "old" } } },
          { name: "stream", connectionParameters: { host: "h" } },
        ],
        bootstrap: { recovery: { source: "origin", recoveryTarget: { targetTime: "now" } } },
        replica: { self: "pg", primary: "other", source: "origin" },
        backup: { barmanObjectStore: {}, target: "primary" },
      },
      status: {
        currentPrimary: "pg-1",
        targetPrimary: "pending",
        timelineID: 2,
        systemID: "7",
        phase: "Cluster in healthy state",
        readyInstances: 1,
        instanceNames: ["pg-1"],
        image: "i",
        conditions: [{ type: "Ready", status: "True", reason: "r" }, { type: "broken" }],
      },
    };
    const cluster = decodeCluster(bytes(object));
    expect(cluster).toEqual(decodeCluster(object));
    expect(cluster.spec).toEqual({
      instances: 3,
      imageName: "postgresql:17",
      postgresMajor: 17,
      imagePullPolicy: "Always",
      serviceAccountName: "sa",
      env: ["TZ", "SECRET"],
      hasWalStorage: true,
      tablespaces: ["big"],
      plugins: [
        { name: "a", enabled: true, isWALArchiver: false, parameters: {} },
        { name: "b", enabled: false, isWALArchiver: true, parameters: { x: "1" } },
      ],
      externalClusters: [
        {
          name: "origin",
          plugin: { name: "a", enabled: true, isWALArchiver: false, parameters: { serverName: "old" } },
        },
        { name: "stream", plugin: undefined },
      ],
      recovery: { source: "origin", recoveryTarget: { targetTime: "now" } },
      replica: { enabled: undefined, self: "pg", primary: "other", source: "origin" },
      hasBarmanObjectStore: true,
      backupTarget: "primary",
    });
    expect(cluster.status.conditions).toEqual([{ type: "Ready", status: "True", reason: "r" }]);
    expect(cluster.status).toMatchObject({ currentPrimary: "pg-1", targetPrimary: "pending", timelineID: 2 });
  });

  it("may lack everything but its name and namespace", () => {
    const cluster = decodeCluster({ metadata, spec: null, status: [] });
    expect(cluster.spec).toMatchObject({
      instances: 1,
      plugins: [],
      recovery: undefined,
      backupTarget: "prefer-standby",
    });
    expect(cluster.status).toMatchObject({ currentPrimary: undefined, conditions: [], readyInstances: 0 });
  });

  it("reads fields of odd types as absent", () => {
    const odd = { plugins: ["x", { enabled: true }], replica: "yes", walStorage: true, instances: "3", env: {} };
    const { spec } = decodeCluster({ metadata, spec: odd });
    expect(spec).toMatchObject({ plugins: [], replica: undefined, hasWalStorage: false, instances: 1, env: [] });
  });

  it.each([
    ["no JSON", new TextEncoder().encode("{"), "it is not JSON"],
    ["broken UTF-8", new Uint8Array([0x22, 0xff, 0x22]), "it is not JSON"],
    ["empty bytes", new Uint8Array(), "it is not JSON"],
    ["a list", [], "it has no name or no namespace"],
    ["no namespace", { metadata: { name: "pg" } }, "it has no name or no namespace"],
  ])("is refused when it is %s", (_, source, message) => {
    expect(() => decodeCluster(source)).toThrow(`cannot read Cluster: ${message}`);
  });

  const replicaCases: readonly [string, object | undefined, boolean][] = [
    ["no replica block", undefined, false],
    ["enabled: true", { enabled: true, source: "o" }, true],
    ["enabled: false, though another is primary", { enabled: false, primary: "other" }, false],
    ["another primary", { primary: "other", source: "o" }, true],
    ["itself as primary by name", { primary: "pg", source: "o" }, false],
    ["itself as primary by self", { primary: "site-a", self: "site-a", source: "o" }, false],
    ["self that differs from primary", { primary: "pg", self: "site-a", source: "o" }, true],
  ];
  it.each(replicaCases)("with %s is a replica cluster: %o %s", (_, replica, expected) => {
    expect(isReplicaCluster(decodeCluster({ metadata, spec: { replica } }))).toBe(expected);
  });

  it("is in archive recovery until a primary has run", () => {
    expect(isArchiveRecovery(decodeCluster({ metadata, status: { currentPrimary: "" } }))).toBe(true);
    expect(isArchiveRecovery(decodeCluster({ metadata, status: { currentPrimary: "pg-1" } }))).toBe(false);
  });

  it("runs as the account of its name unless it names one", () => {
    expect(serviceAccountName(decodeCluster({ metadata }))).toBe("pg");
    expect(serviceAccountName(decodeCluster({ metadata, spec: { serviceAccountName: "own" } }))).toBe("own");
  });

  it("takes only the word «enabled» in the annotations that switch checks off", () => {
    const annotated = (value: string) =>
      decodeCluster({
        metadata: {
          ...metadata,
          annotations: { "cnpg.io/skipEmptyWalArchiveCheck": value, "cnpg.io/skipWalArchiving": value },
        },
      });
    expect([skipsEmptyArchiveCheck, skipsWalArchiving].map((ask) => ask(annotated("enabled")))).toEqual([true, true]);
    expect([skipsEmptyArchiveCheck, skipsWalArchiving].map((ask) => ask(annotated("true")))).toEqual([false, false]);
    expect(skipsEmptyArchiveCheck(decodeCluster({ metadata }))).toBe(false);
  });
});

describe("a CNPG Backup", () => {
  it("is read with its plugin, parameters and outcome", () => {
    const backup = decodeBackup(
      bytes({
        metadata,
        spec: {
          cluster: { name: "pg" },
          method: "plugin",
          target: "primary",
          pluginConfiguration: { name: "holdfast.dev", parameters: { type: "full" } },
        },
        status: {
          phase: "completed",
          backupId: "20261101T000000",
          beginLSN: "0/1",
          online: true,
          instanceID: { podName: "pg-2" },
          pluginMetadata: { a: "b" },
        },
      }),
    );
    expect(backup.spec).toEqual({
      cluster: "pg",
      method: "plugin",
      target: "primary",
      plugin: { name: "holdfast.dev", parameters: { type: "full" } },
    });
    expect(backup.status).toMatchObject({
      phase: "completed",
      backupId: "20261101T000000",
      beginLSN: "0/1",
      online: true,
      instance: "pg-2",
      pluginMetadata: { a: "b" },
      error: undefined,
    });
    expect(isFinished(backup)).toBe(true);
  });

  it("without a method is one of the built-in archiver", () => {
    const backup = decodeBackup({ metadata, spec: { cluster: { name: "pg" } } });
    expect(backup.spec).toMatchObject({ method: "barmanObjectStore", plugin: undefined });
    expect(isFinished(backup)).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { hex, invoke, invokeRaw, json } from "#test/contract/cnpgi-invoke.ts";
import { WAL, WALRestoreRequest_Mode as Mode } from "./gen/wal_pb.ts";
import { walService, type ArchiveOrder, type RestoreOrder } from "./wal.ts";

const { getCapabilities, archive, restore } = WAL.method;
const path = "/var/lib/postgresql/data/pgdata/pg_wal/000000010000000000000001";
const ours = { name: "holdfast.dev", isWALArchiver: true, parameters: { objectStore: "minio" } };
const origin = {
  name: "origin",
  plugin: { name: "holdfast.dev", parameters: { objectStore: "eu", serverName: "old" } },
};

const aCluster = (spec: object = {}, currentPrimary = "pg-1", annotations = {}) =>
  json({
    metadata: { name: "pg", namespace: "db", annotations },
    spec: { plugins: [ours], ...spec },
    status: { currentPrimary },
  });

function recording() {
  const orders: (ArchiveOrder | RestoreOrder)[] = [];
  const port = {
    archive: async (order: ArchiveOrder) => void orders.push(order),
    restore: async (order: RestoreOrder) => void orders.push(order),
  };
  return { service: walService({ port, podName: "pg-1" }), orders };
}

describe("the WAL service", () => {
  it("advertises archive and restore, in these bytes", async () => {
    expect(hex(await invokeRaw(recording().service, getCapabilities, {}))).toBe("0a 04 0a 02 08 01 0a 04 0a 02 08 02");
  });
});

describe("a file to archive", () => {
  const order = async (clusterDefinition: Uint8Array, extra: { checkEmptyWalArchive?: boolean } = {}) => {
    const { service, orders } = recording();
    await invoke(service, archive, { clusterDefinition, sourceFileName: path, ...extra });
    return orders;
  };

  it("goes to the Cluster's own archive", async () => {
    expect(await order(aCluster())).toMatchObject([
      {
        path,
        store: { name: "minio", serverName: "pg" },
        skipEmptyCheck: false,
        cluster: { metadata: { name: "pg" } },
      },
    ]);
  });

  it.each([{}, { checkEmptyWalArchive: false }, { checkEmptyWalArchive: true }])(
    "carries what CNPG says of the check for an empty archive, or that it says nothing: %o",
    async (extra) => {
      const [only] = await order(aCluster(), extra);
      expect(only).toHaveProperty("checkEmpty", extra.checkEmptyWalArchive);
    },
  );

  it("carries the user's word that the check is off", async () => {
    const annotations = { "cnpg.io/skipEmptyWalArchiveCheck": "enabled" };
    expect(await order(aCluster({}, "pg-1", annotations))).toMatchObject([{ skipEmptyCheck: true }]);
  });

  it("is acknowledged without storing when another archiver stores it", async () => {
    const barman = { name: "barman-cloud.cloudnative-pg.io", isWALArchiver: true };
    expect(await order(aCluster({ plugins: [{ ...ours, isWALArchiver: false }, barman] }))).toEqual([]);
  });

  it("is refused when nobody would store it", async () => {
    await expect(order(aCluster({ plugins: [] }))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message: "nobody archives cluster pg: holdfast.dev is not enabled in spec.plugins",
    });
  });

  it("is refused, with the place of the mistake, when the store is not known", async () => {
    const wrong = { ...ours, parameters: { stanza: "main", serverName: "pg", foo: "x" } };
    await expect(order(aCluster({ plugins: [wrong] }))).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      message:
        'spec.plugins[0].parameters.foo: unknown parameter "foo"; known are objectStore, serverName, stanza; ' +
        "spec.plugins[0].parameters.serverName: " +
        "a Stanza has no servers: its spec.stanzaConfiguration.name says where the backups are",
    });
  });
});

describe("a file to restore", () => {
  const order = async (clusterDefinition: Uint8Array, mode: (typeof Mode)[keyof typeof Mode] = Mode.UNSPECIFIED) => {
    const { service, orders } = recording();
    const destinationFileName = "/pgdata/pg_wal/RECOVERYXLOG";
    await invoke(service, restore, { clusterDefinition, sourceWalName: "00000002.history", destinationFileName, mode });
    return orders;
  };
  const recovering = { bootstrap: { recovery: { source: "origin" } }, externalClusters: [origin] };

  it("comes from the Cluster's own archive on a running instance", async () => {
    expect(await order(aCluster())).toMatchObject([
      {
        name: "00000002.history",
        destination: "/pgdata/pg_wal/RECOVERYXLOG",
        store: { name: "minio", serverName: "pg" },
        mode: "running",
      },
    ]);
  });

  it("comes from a Stanza when the Cluster names one", async () => {
    const plugins = [{ ...ours, parameters: { stanzaRef: "main" } }];
    expect(await order(aCluster({ plugins }))).toMatchObject([{ store: { kind: "Stanza", name: "main" } }]);
  });

  it("comes from the recovery source in a bootstrap, where an error would lose data", async () => {
    expect(await order(aCluster(recovering, ""), Mode.RECOVERY)).toMatchObject([
      { store: { name: "eu", serverName: "old" }, mode: "recovery" },
    ]);
  });

  it("is for pg_rewind when CNPG says so", async () => {
    expect(await order(aCluster(), Mode.REWIND)).toMatchObject([{ mode: "rewind" }]);
  });

  it("is not there when the Cluster has no archive of ours to ask", async () => {
    await expect(order(aCluster({}, ""))).rejects.toMatchObject({
      code: "NOT_FOUND",
      message:
        "there is no archive to restore from: no primary has run yet, and holdfast.dev is not the source of its recovery",
    });
  });

  it("is no absence when the archive's configuration is wrong", async () => {
    const wrong = { plugins: [{ ...ours, parameters: {} }] };
    await expect(order(aCluster(wrong))).rejects.toMatchObject({ code: "FAILED_PRECONDITION" });
  });
});

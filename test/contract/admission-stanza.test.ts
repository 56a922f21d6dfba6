// Admission of what uses a Stanza, as the API server meets it: the Stanza itself, its Cluster, its backups, and CNPG's own.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goodStanzaConfiguration } from "../admission/stanzas.ts";
import { goodConfiguration } from "../admission/stores.ts";
import { clusterTo, startAdmissionSession, thing, type AdmissionSession } from "./admission-session.ts";
import { waitUntil } from "./api-server.ts";
import { kubectl } from "./kubectl.ts";

let session: AdmissionSession;
let { api, admission, create, change, remove, untilKnown, setStatus, newNamespace }: AdmissionSession =
  {} as AdmissionSession;
beforeAll(async () => {
  session = await startAdmissionSession();
  ({ api, admission, create, change, remove, untilKnown, setStatus, newNamespace } = session);
});
afterAll(() => session?.stop());

const goodStore = { configuration: goodConfiguration };

describe("a Stanza that a Cluster archives to", () => {
  const inBucket = (repoPath: string, name: string = "used") => {
    const [repository] = goodStanzaConfiguration["s3Repositories"] as readonly object[];
    return { stanzaConfiguration: { name, s3Repositories: [{ ...repository, repoPath }] } };
  };
  const theirBackup = (cluster: string, more: object = {}) => ({
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Backup",
    metadata: { generateName: "by-cnpg-" },
    spec: { method: "plugin", pluginConfiguration: { name: "holdfast.dev" }, cluster: { name: cluster }, ...more },
  });
  const targetOf = async (cluster: string, more: object = {}) => {
    const args = ["create", "-o", "jsonpath={.spec.target}", "-f", "-"];
    return kubectl(api, args, theirBackup(cluster, more));
  };
  beforeAll(async () => {
    await create("Stanza", thing("used", inBucket("/used")));
    await create("Cluster", thing("in-stanza", clusterTo({ stanza: "used" })));
    await create("ObjectStore", thing("in-bucket", goodStore));
    await create("Cluster", thing("in-store", clusterTo({ objectStore: "in-bucket" })));
    for (const name of ["used", "in-stanza", "in-bucket", "in-store"]) await untilKnown(name);
    await setStatus("in-stanza", { currentPrimary: "in-stanza-1" });
  });

  it("can be neither deleted, renamed nor moved, but gain a repository", async () => {
    expect(await remove("Stanza", "used")).toContain("Cluster in-stanza archives to this Stanza");
    expect(await change("Stanza", "used", { spec: inBucket("/used", "other") })).toContain(
      "spec.stanzaConfiguration.name",
    );
    expect(await change("Stanza", "used", { spec: inBucket("/elsewhere") })).toContain(
      "s3Repositories[0]: repository 1",
    );
    const azureRepositories = [
      {
        account: "account1",
        container: "backups",
        repoPath: "/used",
        secretRef: { keyReference: { name: "a", key: "K" } },
      },
    ];
    expect(await change("Stanza", "used", { spec: { stanzaConfiguration: { azureRepositories } } })).toBeUndefined();
    await waitUntil("that is in the cache", () => {
      const known = admission.caches.stanzas.get({ namespace: "default", name: "used" });
      return known?.spec.stanzaConfiguration.azureRepositories?.length === 1;
    });
  });

  it("has no other Cluster, of any namespace", async () => {
    const shared = await create("Cluster", thing("second-in-stanza", clusterTo({ stanzaRef: "used" })));
    expect(shared).toContain(
      "spec.plugins[0].parameters.stanzaRef: the archive of Stanza used is in use by Cluster in-stanza",
    );
    await newNamespace("stanza-elsewhere");
    const spec = inBucket("/used/");
    const [repository] = spec.stanzaConfiguration.s3Repositories;
    const s3Repositories = [{ ...repository, endpoint: "https://minio.default.svc:9000" }];
    const alike = { stanzaConfiguration: { ...spec.stanzaConfiguration, s3Repositories } };
    await create("Stanza", thing("alike", alike, "stanza-elsewhere"));
    await untilKnown("alike", "stanza-elsewhere");
    const foreign = await create("Cluster", thing("third", clusterTo({ stanza: "alike" }), "stanza-elsewhere"));
    expect(foreign).toContain("the archive of Stanza alike is in use by a Cluster of another namespace");
    expect(foreign).not.toContain("default");
  });

  it("takes a new major version, but none that its pgBackRest cannot do", async () => {
    const image = (major: number) => ({ spec: { imageName: `ghcr.io/cloudnative-pg/postgresql:${major}` } });
    expect(await change("Cluster", "in-stanza", image(16))).toBeUndefined();
    expect(await change("Cluster", "in-stanza", image(17))).toBeUndefined();
    expect(await change("Cluster", "in-stanza", image(18))).toMatch(
      /spec\.imageName: PostgreSQL 18.* needs pgBackRest 2\.57/,
    );
  });

  it("takes every type of backup, where an ObjectStore knows full ones only", async () => {
    const asked = (name: string, cluster: string, more: object) =>
      create("Backup", thing(name, { cluster: { name: cluster }, ...more }));
    expect(await asked("diff", "in-stanza", { type: "diff", selectedRepository: 2 })).toBeUndefined();
    expect(await asked("third", "in-stanza", { selectedRepository: 3 })).toContain("Stanza used has 2 repositories");
    expect(await asked("incr", "in-store", { type: "incr" })).toContain(
      "spec.type: the Cluster's backups go to ObjectStore",
    );
    expect(await asked("second", "in-store", { selectedRepository: 1 })).toContain("spec.selectedRepository");
    expect(await asked("early", "not-there-yet", { type: "incr" })).toBeUndefined();
    const schedules = [
      { cron: "0 2 * * 0", type: "full" },
      { cron: "0 2 * * 1-6", type: "incr" },
    ];
    const nightly = (cluster: string) =>
      create("BackupSchedule", thing(`nightly-${cluster}`, { cluster: { name: cluster }, schedules }));
    expect(await nightly("in-stanza")).toBeUndefined();
    expect(await nightly("in-store")).toContain("spec.schedules[1].type");
  });

  it("is backed up to from the primary, also by CloudNativePG's own Backups", async () => {
    expect(await targetOf("in-stanza")).toMatchObject({ status: 0, stdout: "primary", stderr: "" });
    const asked = await targetOf("in-stanza", { target: "prefer-standby" });
    expect(asked).toMatchObject({ status: 0, stdout: "primary" });
    expect(asked.stderr).toContain("Warning: spec.target: is set to primary");
    expect(await targetOf("in-store")).toMatchObject({ status: 0, stdout: "" });
    expect(await targetOf("in-stanza", { pluginConfiguration: { name: "other.dev" } })).toMatchObject({ stdout: "" });
  });

  it("refuses parameters of CloudNativePG's own Backups that its sidecar would refuse", async () => {
    const asked = (cluster: string, parameters: object) =>
      targetOf(cluster, { pluginConfiguration: { name: "holdfast.dev", parameters } });
    expect((await asked("in-stanza", { selectedRepository: "3" })).stderr).toContain(
      'spec.pluginConfiguration.parameters.selectedRepository: the Stanza has no repository "3"',
    );
    expect((await asked("in-store", { type: "incr" })).stderr).toContain("an ObjectStore holds full backups only");
    expect(await asked("in-stanza", { type: "incr", selectedRepository: "2" })).toMatchObject({ status: 0 });
  });
});

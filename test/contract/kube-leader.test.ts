// Leader election, and what the leader writes on the side (events, certificates), against a real API server.
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "#observe/logger.ts";
import type { KubeClient } from "#kube/client.ts";
import { createEventRecorder } from "#kube/events.ts";
import { type Lease, leases, runWhenLeader } from "#kube/leader.ts";
import { createCertificateKeeper, type Secret, secrets } from "#kube/pki/keeper.ts";
import { type ApiServer, startApiServer, waitUntil } from "./api-server.ts";
import { openLine, type Line } from "./kube-line.ts";
import { adminClient, configMap, configMaps, signal } from "./kube-widget.ts";

const logger = createLogger("error");
let server: ApiServer;
let line: Line;
let client: KubeClient & { close(): void };
/** Of another process, whose line to the server can be cut. */
let remote: KubeClient & { close(): void };
beforeAll(async () => {
  server = await startApiServer();
  line = await openLine(server.port);
  client = await adminClient(server);
  remote = await adminClient(server, line.port);
});
afterAll(async () => {
  client?.close();
  remote?.close();
  await line?.close();
  await server?.stop();
});

const inDefault = (name: string) => ({ namespace: "default", name });

describe("leader election", () => {
  const usual = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 200 };

  /** A candidate that notes when it begins and ends to lead. */
  function candidate(name: string, identity: string, { over = client, timings = usual } = {}) {
    const stop = new AbortController();
    const log: string[] = [];
    const lease = inDefault(name);
    const options = { client: over, lease, identity, logger, timings };
    const running = runWhenLeader(options, stop.signal, async (term) => {
      log.push("leads");
      await new Promise((resolve) => term.addEventListener("abort", resolve, { once: true }));
      log.push("ended");
    });
    const leads = (): boolean => log.at(-1) === "leads";
    return {
      log,
      leads,
      stop: async () => {
        stop.abort();
        await running;
      },
    };
  }
  const read = (name: string) => client.get<Lease>(leases, inDefault(name), { signal: signal() });

  it("lets one lead, and the other at once when the first stops", async () => {
    // So long that nobody waits for its end by chance, however slow the machine is.
    const timings = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 200 };
    const [a, b] = [candidate("turns", "a", { timings }), candidate("turns", "b", { timings })];
    await waitUntil("one leads", () => a.leads() || b.leads());
    const [first, second] = a.leads() ? [a, b] : [b, a];
    const renewed = (await read("turns"))?.spec?.renewTime;
    await waitUntil("it renews", async () => (await read("turns"))?.spec?.renewTime !== renewed);
    expect(second.log).toEqual([]);
    const stoppedAt = performance.now();
    await first.stop();
    await waitUntil("the other leads", second.leads);
    expect(performance.now() - stoppedAt).toBeLessThan(timings.leaseDurationMs);
    expect(first.log).toEqual(["leads", "ended"]);
    await second.stop();
    expect((await read("turns"))?.spec).toMatchObject({ holderIdentity: "", leaseTransitions: 1 });
  });

  it("stops at once when the lease was stolen, and leads again when it is free", async () => {
    const a = candidate("stolen", "a");
    await waitUntil("it leads", a.leads);
    await waitUntil("the thief gets through", async () => {
      const lease = (await read("stolen"))!;
      const spec = { ...lease.spec, holderIdentity: "thief", leaseDurationSeconds: 1 };
      return client.replace<Lease>(leases, { ...lease, spec }, { signal: signal() }).then(
        () => true,
        () => false,
      );
    });
    await waitUntil("it has stopped", () => a.log.length >= 2);
    expect((await read("stolen"))?.spec?.holderIdentity).toBe("thief");
    await waitUntil("it leads again", () => a.log.length === 3);
    await a.stop();
    expect(a.log).toEqual(["leads", "ended", "leads", "ended"]);
  });

  it("ends a leader that cannot renew before another begins", async () => {
    const a = candidate("lost", "a", { over: remote });
    await waitUntil("the first leads", a.leads);
    const b = candidate("lost", "b");
    line.cut();
    await waitUntil("the other leads", () => {
      if (b.leads()) expect(a.leads()).toBe(false);
      return b.leads();
    });
    expect(a.log).toEqual(["leads", "ended"]);
    line.mend();
    await Promise.all([a.stop(), b.stop()]);
  });

  it.each([
    ["an hour ahead", 3_600_000],
    ["an hour behind", -3_600_000],
  ])("waits for a holder whose clock is %s as long as for any other", async (text, skewMs) => {
    const name = `skew-${text.replaceAll(" ", "-")}`;
    const time = () => new Date(Date.now() + skewMs).toISOString().replace("Z", "000Z");
    const spec = { holderIdentity: "other", leaseDurationSeconds: 1, renewTime: time(), acquireTime: time() };
    let lease = await client.create<Lease>(leases, { metadata: inDefault(name), spec }, { signal: signal() });
    const a = candidate(name, "a");
    const renewUntil = performance.now() + 2500;
    while (performance.now() < renewUntil) {
      lease = await client.replace<Lease>(
        leases,
        { ...lease, spec: { ...spec, renewTime: time() } },
        { signal: signal() },
      );
      const next = performance.now() + 300;
      await waitUntil("the next renewal is due", () => performance.now() > next);
    }
    expect(a.log).toEqual([]);
    await waitUntil("it leads", a.leads);
    expect(performance.now() - renewUntil).toBeLessThan(3000);
    await a.stop();
  });
});

describe("an event", () => {
  it("is shown once by kubectl describe, however long its message is", async () => {
    const recorder = createEventRecorder({ client, instance: "holdfast-0", logger });
    const object = await client.create(configMaps, configMap("described"), { signal: signal() });
    const about = { ...object, apiVersion: "v1", kind: "ConfigMap" };
    for (let turn = 0; turn < 3; turn++) {
      await recorder.record(about, { type: "Warning", reason: "GapDetected", message: "é".repeat(2000) }, signal());
      await recorder.record(about, { type: "Normal", reason: "Succeeded", message: "all is well" }, signal());
    }
    const kubeconfig = join(server.accountFolder, "kubeconfig");
    await writeFile(kubeconfig, server.kubeconfig("admin"));
    const args = [`--kubeconfig=${kubeconfig}`, "describe", "configmap", "described"];
    const { stdout } = await promisify(execFile)(server.kubectl, args);
    expect(stdout.match(/Warning +GapDetected +\S+ +holdfast +é+…/g)).toHaveLength(1);
    expect(stdout.match(/Normal +Succeeded +\S+ +holdfast +all is well/g)).toHaveLength(1);
  });
});

describe("the certificate keeper", () => {
  const leaves = [
    { name: "server-tls", usage: "server", dnsNames: ["holdfast", "holdfast.cnpg-system.svc"] },
    { name: "client-tls", usage: "client", dnsNames: ["holdfast-client"] },
  ] as const;
  const keeper = () =>
    createCertificateKeeper({ client, namespace: "default", authoritySecret: "authority", leaves, logger });
  const read = async () => {
    const names = ["authority", "server-tls", "client-tls"];
    const found = names.map((name) => client.get<Secret>(secrets, inDefault(name), { signal: signal() }));
    return (await Promise.all(found)).map((secret) => secret!);
  };

  it("makes all from nothing, then leaves it alone, and mends what was damaged", async () => {
    const bundles: string[] = [];
    const publishTrust = async (bundle: string) => void bundles.push(bundle);
    const options = { client, namespace: "default", authoritySecret: "authority", leaves, logger, publishTrust };
    expect(await createCertificateKeeper(options).keep(signal()), "nothing is due but the next look").toBe(60_000);
    const made = await read();
    for (const secret of made) expect(secret.type).toBe("kubernetes.io/tls");
    const [, serverSecret] = made;
    const text = (name: string) => Buffer.from(serverSecret!.data![name]!, "base64").toString();
    const leaf = new X509Certificate(text("tls.crt"));
    const authority = new X509Certificate(text("ca.crt"));
    expect(leaf.subjectAltName).toBe("DNS:holdfast, DNS:holdfast.cnpg-system.svc");
    expect(leaf.checkIssued(authority) && leaf.verify(authority.publicKey)).toBe(true);
    expect(text("tls.crt").match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(bundles.at(-1)).toBe(text("ca.crt"));

    await keeper().keep(signal());
    expect((await read()).map(({ metadata }) => metadata.resourceVersion)).toEqual(
      made.map(({ metadata }) => metadata.resourceVersion),
    );

    const damaged = { ...serverSecret!, data: { ...serverSecret!.data, "tls.key": made[2]!.data!["tls.key"]! } };
    await client.replace(secrets, damaged, { signal: signal() });
    await keeper().keep(signal());
    const mended = (await read())[1]!;
    expect(mended.data!["tls.key"]).not.toBe(damaged.data["tls.key"]);
    expect(mended.data!["ca.crt"]).toBe(serverSecret!.data!["ca.crt"]);
  });

  it("lets only one of two that begin at once make the authority", async () => {
    const options = { client, namespace: "default", authoritySecret: "race-ca", leaves: [], logger };
    const results = await Promise.allSettled([1, 2].map(() => createCertificateKeeper(options).keep(signal())));
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ kind: "AlreadyExists" });
    const secret = await client.get<Secret>(secrets, inDefault("race-ca"), { signal: signal() });
    expect(secret?.metadata.generation ?? 1).toBe(1);
    expect(results.some(({ status }) => status === "fulfilled")).toBe(true);
  });
});

// The operator while it changes under a running database: certificates renewed under load, two versions side by side,
// a leader that dies.
import { connect, type ClientHttp2Session } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "../cluster/command.ts";
import { containerdSocket } from "../cluster/paths.ts";
import { adapt, apply, example, freshNamespace, kubectl, read, until, untilHealthy } from "./steps.ts";

const namespace = "e2e-operator";
const folder = `${namespace}-${Date.now()}`;
const operators = "cnpg-system";

const rollout = (...args: string[]): Promise<string> =>
  kubectl(["rollout", "--namespace", operators, ...args], { signal: AbortSignal.timeout(180_000) });
const rolledOut = (): Promise<string> => rollout("status", "deployment/holdfast", "--timeout=170s");

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly initContainers?: readonly { readonly name: string; readonly image: string }[] };
  readonly status: {
    readonly podIP?: string;
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

async function podsOf(where: string, selector: string): Promise<Pod[]> {
  const list = JSON.parse(await kubectl(["get", "pods", "--namespace", where, "-l", selector, "-o", "json"])) as {
    items: Pod[];
  };
  return list.items.filter((pod) => pod.metadata.deletionTimestamp === undefined);
}
const instances = (): Promise<Pod[]> => podsOf(namespace, "cnpg.io/cluster=pg");
const replicas = (): Promise<Pod[]> => podsOf(operators, "app.kubernetes.io/name=holdfast");

beforeAll(async () => {
  await freshNamespace(namespace);
  await apply(namespace, adapt(example("objectstore.yaml"), folder));
  // It is made while the operator is rolled out and renews its certificates: the first test ends when it is healthy.
  await apply(namespace, adapt(example("cluster.yaml"), folder));
});

afterAll(() => kubectl(["delete", "namespace", namespace, "--wait=false"]));

async function secretText(name: string, key: string): Promise<string> {
  const data = await read(operators, `secret/${name}`, `{.data.${key.replace(".", "\\.")}}`);
  return Buffer.from(data, "base64").toString("utf8");
}

/** As CNPG connects: it trusts all of the server Secret's tls.crt and shows the client Secret's pair. */
async function credentials() {
  const [ca, cert, key] = await Promise.all([
    secretText("holdfast-server-tls", "tls.crt"),
    secretText("holdfast-client-tls", "tls.crt"),
    secretText("holdfast-client-tls", "tls.key"),
  ]);
  return { ca, cert, key };
}

/** One connection of its own and one Probe on it; the serial number of the certificate that was shown. */
async function probe(address: string, tls: Awaited<ReturnType<typeof credentials>>): Promise<string> {
  const session: ClientHttp2Session = connect(`https://${address}:9090`, {
    ...tls,
    servername: "holdfast",
    minVersion: "TLSv1.3",
  });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    session.on("error", reject);
    session.setTimeout(5_000, () => reject(new Error("no answer in 5 s")));
    const headers = {
      ":method": "POST",
      ":path": "/cnpgi.identity.v1.Identity/Probe",
      "content-type": "application/grpc",
      te: "trailers",
    };
    const call = session.request(headers);
    call.on("error", reject);
    call.on("trailers", (trailers) => resolve(String(trailers["grpc-status"])));
    call.resume();
    call.end(Buffer.from([0, 0, 0, 0, 0]));
    expect(await promise).toBe("0");
    const socket = session.socket as unknown as { getPeerCertificate(): { serialNumber: string } };
    return socket.getPeerCertificate().serialNumber;
  } finally {
    session.destroy();
  }
}

describe("the operator", () => {
  it("serves CNPG on both replicas and renews its certificates under load without a failed handshake", async () => {
    await kubectl(["set", "env", "--namespace", operators, "deployment/holdfast", "CERTIFICATE_LIFETIME=45s"]);
    await rolledOut();
    const before = await secretText("holdfast-server-tls", "tls.crt");
    await until(
      "the short-lived certificates",
      60_000,
      async () => (await secretText("holdfast-server-tls", "tls.crt")) !== before,
    );
    const addresses = (await replicas()).map((pod) => pod.status.podIP ?? "");
    expect(addresses).toHaveLength(2);

    const serials = new Set<string>();
    const failures: unknown[] = [];
    let tls = await credentials();
    const end = Date.now() + 75_000;
    const refresh = (async () => {
      while (Date.now() < end) {
        tls = await credentials();
        await sleep(1_000);
      }
    })();
    while (Date.now() < end) {
      const [first = "", second = ""] = await Promise.all(
        addresses.map((address) => probe(address, tls).catch((error: unknown) => void failures.push(error))),
      );
      serials.add(first).add(second);
      await sleep(50);
    }
    await refresh;
    expect(failures).toEqual([]);
    expect(serials.size).toBeGreaterThanOrEqual(3);

    await kubectl(["set", "env", "--namespace", operators, "deployment/holdfast", "CERTIFICATE_LIFETIME-"]);
    await rolledOut();
    await untilHealthy(namespace, "pg");
  });

  it("rolls the database's pods once when two versions of it run side by side for a while", async () => {
    const original = await read(operators, "deployment/holdfast", "{.spec.template.spec.containers[0].image}");
    const next = `${original}-next`;
    await command("ctr", ["-a", containerdSocket, "-n", "k8s.io", "images", "tag", "--force", original, next], {
      signal: AbortSignal.timeout(30_000),
    });
    const before = await instances();
    const seen = new Map(before.map((pod) => [pod.metadata.name, new Set([pod.metadata.uid])]));
    const note = async (): Promise<Pod[]> => {
      const pods = await instances();
      for (const { metadata } of pods) seen.get(metadata.name)?.add(metadata.uid);
      return pods;
    };
    const sidecarImages = (pods: readonly Pod[]) =>
      pods.map((pod) => pod.spec.initContainers?.find(({ name }) => name === "holdfast")?.image);

    await kubectl(["set", "image", "--namespace", operators, "deployment/holdfast", `operator=${next}`]);
    await rollout("pause", "deployment/holdfast");
    await until("both versions to serve", 60_000, async () => {
      const images = await kubectl([
        "get",
        "pods",
        "--namespace",
        operators,
        "-l",
        "app.kubernetes.io/name=holdfast",
        "-o",
        "jsonpath={.items[*].spec.containers[0].image}",
      ]);
      const ready = await read(operators, "deployment/holdfast", "{.status.availableReplicas}");
      return new Set(images.split(" ")).size === 2 && Number(ready) >= 2;
    });
    // Each reconcile evaluates the pods anew, on either version.
    for (let round = 0; round < 10; round++) {
      await kubectl([
        "annotate",
        "--namespace",
        namespace,
        "clusters.postgresql.cnpg.io/pg",
        `round=${round}`,
        "--overwrite",
      ]);
      await sleep(500);
      await note();
    }
    expect([...seen.values()].every((uids) => uids.size === 1)).toBe(true);

    await rollout("resume", "deployment/holdfast");
    await rolledOut();
    await until("the pods to have the new sidecar", 240_000, async () =>
      sidecarImages(await note()).every((image) => image === next),
    );
    await untilHealthy(namespace, "pg");
    for (let round = 0; round < 10; round++) {
      await note();
      await sleep(500);
    }
    expect([...seen.values()].map((uids) => uids.size)).toEqual(before.map(() => 2));

    await kubectl(["set", "image", "--namespace", operators, "deployment/holdfast", `operator=${original}`]);
    await rolledOut();
    await until("the pods to be back", 240_000, async () =>
      sidecarImages(await instances()).every((image) => image === original),
    );
    await untilHealthy(namespace, "pg");
  });

  it("goes on without its leader: the other replica leads and CNPG notices nothing", async () => {
    const leader = await read(operators, "lease/holdfast", "{.spec.holderIdentity}");
    await kubectl(["delete", "pod", "--namespace", operators, leader, "--grace-period=0", "--force"]);
    await until("another leader", 40_000, async () => {
      const holder = await read(operators, "lease/holdfast", "{.spec.holderIdentity}");
      return holder !== "" && holder !== leader;
    });
    await apply(namespace, adapt(example("backup.yaml"), folder));
    const ready = [
      "wait",
      "--namespace",
      namespace,
      "--for=condition=Ready",
      "backups.holdfast.dev/pg-first",
      "--timeout=120s",
    ];
    await kubectl(ready, { signal: AbortSignal.timeout(130_000) });
    await rolledOut();
  });
});

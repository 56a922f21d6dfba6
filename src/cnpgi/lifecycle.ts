// The hook in which CNPG shows a Pod or Job before it makes it. Answers from memory: CNPG holds the whole reconcile of
// the Cluster for it, failover included.
import { decodeCluster, type Cluster } from "#cnpg/cluster.ts";
import { fieldsOf, parseJson } from "#cnpg/json.ts";
import type { StoreReference } from "#cnpg/plugin-config.ts";
import type { SidecarConfig, StoreSidecarSettings } from "#cnpg/sidecar-config.ts";
import { complete } from "./capabilities.ts";
import {
  OperatorLifecycle,
  OperatorLifecycleCapabilitiesResponseSchema,
  OperatorOperationType_Type as Operation,
} from "./gen/operator_lifecycle_pb.ts";
import { service, type Service } from "./service.ts";
import { planInjection, type Workload } from "./sidecar.ts";
import { RpcError } from "./status-code.ts";

/**
 * Both throw RpcError UNAVAILABLE while they cannot know the answer, for instance before a cache is in sync: an
 * injection made without a store's settings would restart the database once they are known.
 */
export interface LifecyclePorts {
  sidecarConfig(): SidecarConfig;
  /** undefined when the store does not exist or has no settings. */
  storeSidecarSettings(namespace: string, store: StoreReference): StoreSidecarSettings | undefined;
}

const nothing = { jsonPatch: new Uint8Array() };

export function lifecycleService(ports: LifecyclePorts): Service {
  const operations = (...types: readonly (typeof Operation)[keyof typeof Operation][]) =>
    types.map((type) => ({ type }));
  const advertised = complete(OperatorLifecycleCapabilitiesResponseSchema, {
    lifecycleCapabilities: [
      // Without EVALUATE, CNPG never sees that a running pod's sidecar is outdated.
      { group: "", kind: "Pod", operationTypes: operations(Operation.CREATE, Operation.EVALUATE) },
      { group: "batch", kind: "Job", operationTypes: operations(Operation.CREATE) },
    ],
  });
  return service(OperatorLifecycle, {
    getCapabilities: () => advertised,
    lifecycleHook: ({ operationType, clusterDefinition, objectDefinition }) => {
      const operation = operationType?.type;
      if (operation !== Operation.CREATE && operation !== Operation.EVALUATE) return nothing;
      const workload = readWorkload(objectDefinition);
      return workload === undefined ? nothing : inject(workload, decodeCluster(clusterDefinition), ports);
    },
  });
}

function inject(workload: Workload, cluster: Cluster, ports: LifecyclePorts): { jsonPatch: Uint8Array } {
  const { namespace } = cluster.metadata;
  const injection = planInjection(workload, cluster, {
    config: ports.sidecarConfig(),
    settingsOf: (store) => ports.storeSidecarSettings(namespace, store),
  });
  if (injection.kind === "impossible") {
    throw new RpcError(
      "FAILED_PRECONDITION",
      `cannot add the sidecar for cluster ${cluster.metadata.name}: ${injection.why}`,
    );
  }
  return injection.operations.length === 0 ? nothing : { jsonPatch: Buffer.from(JSON.stringify(injection.operations)) };
}

/** undefined for kinds that we did not ask for. */
function readWorkload(bytes: Uint8Array): Workload | undefined {
  const object = parseJson("object", bytes);
  const kind = fieldsOf(object)["kind"];
  return kind === "Pod" || kind === "Job" ? (object as Workload) : undefined;
}

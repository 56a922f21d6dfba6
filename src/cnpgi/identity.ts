// Who we are and what each of our processes can do. CNPG keeps these answers for as long as it keeps a connection, so
// they are the same for every Cluster and never depend on the state of anything.
import { pluginName } from "#cnpg/plugin-config.ts";
import { complete } from "./capabilities.ts";
import {
  GetPluginCapabilitiesResponseSchema,
  Identity,
  PluginCapability_Service_Type as Type,
} from "./gen/identity_pb.ts";
import { service, type Service } from "./service.ts";

/** operator: beside CNPG's operator, over TCP. instance: in the pods of PostgreSQL, also in recovery Jobs. */
export type Role = "operator" | "instance";

const capabilities = {
  // The last one is a promise that every instance pod of a Cluster that lists us has our socket.
  operator: [Type.RECONCILER_HOOKS, Type.LIFECYCLE_SERVICE, Type.INSTANCE_SIDECAR_INJECTION],
  instance: [Type.WAL_SERVICE, Type.BACKUP_SERVICE, Type.METRICS, Type.RESTORE_JOB],
} satisfies Record<Role, readonly (typeof Type)[keyof typeof Type][]>;

export interface IdentityOptions {
  readonly role: Role;
  /** Of the program; CNPG copies it to Cluster.status.pluginStatus. */
  readonly version: string;
  /** Returns when calls can be served; throws RpcError UNAVAILABLE before the caches are in sync and while draining. */
  readonly probe: () => void;
}

export function identityService({ role, version, probe }: IdentityOptions): Service {
  const advertised = complete(GetPluginCapabilitiesResponseSchema, {
    capabilities: capabilities[role].map((type) => ({ type: { case: "service" as const, value: { type } } })),
  });
  return service(Identity, {
    getPluginMetadata: () => ({
      name: pluginName,
      version,
      displayName: "Holdfast",
      description: "PostgreSQL backups that prove they restore",
      license: "Apache-2.0",
      maturity: "alpha",
    }),
    getPluginCapabilities: () => advertised,
    probe: () => {
      probe();
      return { ready: true };
    },
  });
}

// What the sidecars of one Cluster may do, as a Role, a RoleBinding and the InstanceReport they write to. Pure.
// The Role names every object; a rule whose list of names would be empty is left out, because to Kubernetes an empty
// list means all of them.
import { apiVersion, group } from "#api/kinds.ts";
import { stanzaLease } from "#api/names.ts";
import type { ObjectStore } from "#api/gen/object-store.ts";
import type { InstanceReport } from "#api/gen/instance-report.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject, OwnerReference } from "#kube/object.ts";
import type { SecretSelector } from "#store/resolve.ts";

export interface AccessInput {
  readonly cluster: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** The account that the Cluster's pods run as. */
  readonly serviceAccount: string;
  /** Names of the stores that the Cluster refers to, whether or not they exist. */
  readonly storeNames: readonly string[];
  /** Those of them that exist. */
  readonly stores: readonly ObjectStore[];
  /** The same of Stanzas. */
  readonly stanzaNames: readonly string[];
  readonly stanzas: readonly Stanza[];
  /** The Stanza that it archives to: only there does it change anything. */
  readonly ownStanza?: string;
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly verbs: readonly string[];
}

export interface Role extends KubeObject {
  readonly rules: readonly Rule[];
}

export interface RoleBinding extends KubeObject {
  readonly roleRef: { readonly apiGroup: string; readonly kind: "Role"; readonly name: string };
  readonly subjects: readonly { readonly kind: "ServiceAccount"; readonly name: string; readonly namespace: string }[];
}

export interface Access {
  readonly role: Role;
  readonly binding: RoleBinding;
  readonly report: InstanceReport;
}

export function planAccess(input: AccessInput): Access {
  const { cluster } = input;
  const owner: OwnerReference = {
    apiVersion: "postgresql.cnpg.io/v1",
    kind: "Cluster",
    name: cluster.name,
    uid: cluster.uid,
    controller: true,
  };
  const metadata = (name: string) => ({
    name,
    namespace: cluster.namespace,
    labels: { "app.kubernetes.io/managed-by": "holdfast", "cnpg.io/cluster": cluster.name },
    ownerReferences: [owner],
  });
  const name = `${cluster.name}-holdfast`;
  const secrets = [...input.stores.flatMap(secretsOf), ...input.stanzas.flatMap(secretsOfStanza)];
  const rules: readonly Rule[] = [
    { apiGroups: [group], resources: ["instancereports"], resourceNames: [cluster.name], verbs: ["get", "watch"] },
    { apiGroups: [group], resources: ["instancereports/status"], resourceNames: [cluster.name], verbs: ["patch"] },
    { apiGroups: [group], resources: ["objectstores"], resourceNames: sorted(input.storeNames), verbs: ["get"] },
    { apiGroups: [group], resources: ["stanzas"], resourceNames: sorted(input.stanzaNames), verbs: ["get"] },
    { apiGroups: [""], resources: ["secrets"], resourceNames: sorted(secrets), verbs: ["get"] },
    {
      apiGroups: ["coordination.k8s.io"],
      resources: ["leases"],
      resourceNames: input.ownStanza === undefined ? [] : [stanzaLease(input.ownStanza)],
      verbs: ["get", "update"],
    },
  ];
  return {
    role: {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: metadata(name),
      rules: rules.filter((rule) => rule.resourceNames.length > 0),
    },
    binding: {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: metadata(name),
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", name: input.serviceAccount, namespace: cluster.namespace }],
    },
    report: { apiVersion, kind: "InstanceReport", metadata: metadata(cluster.name) },
  };
}

/** Names of the Secrets that a store's spec refers to; the same name may come more than once. */
export function secretsOf(store: ObjectStore): string[] {
  const { endpointCA, s3Credentials } = store.spec.configuration;
  const selectors = [
    endpointCA,
    s3Credentials?.accessKeyId,
    s3Credentials?.secretAccessKey,
    s3Credentials?.region,
    s3Credentials?.sessionToken,
  ];
  return selectors.flatMap((selector) => (selector === undefined ? [] : [selector.name]));
}

/** The same of a Stanza. */
const secretsOfStanza = (stanza: Stanza): string[] => selectorsOfStanza(stanza).map(({ name }) => name);

/** Every key of a Secret that a Stanza refers to, each once. */
export function selectorsOfStanza({ spec: { stanzaConfiguration } }: Stanza): readonly SecretSelector[] {
  const { s3Repositories = [], azureRepositories = [] } = stanzaConfiguration;
  const selectors = [
    ...s3Repositories.flatMap(({ secretRef }) => [secretRef?.accessKeyId, secretRef?.secretAccessKey]),
    ...azureRepositories.map(({ secretRef }) => secretRef?.keyReference),
    ...[...s3Repositories, ...azureRepositories].flatMap(({ endpointCA, cipherConfig }) => [
      endpointCA,
      cipherConfig?.encryptionPass,
    ]),
  ];
  const given = selectors.flatMap((selector) => selector ?? []);
  return [...new Map(given.map(({ name, key }) => [`${name}/${key}`, { name, key }])).values()];
}

const sorted = (names: readonly string[]): string[] => [...new Set(names)].sort();

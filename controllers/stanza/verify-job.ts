// The Job that reads every file of a Stanza's repositories, in the Stanza's namespace: what it costs is paid there, and its
// Secrets stay there. Pure.
import { apiVersion } from "#api/kinds.ts";
import { objectName, shortHash } from "#api/names.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { KubeObject, Resource } from "#kube/object.ts";
import { selectorsOfStanza } from "../cluster/access.ts";

export const jobs: Resource = { group: "batch", version: "v1", kind: "Job", plural: "jobs", namespaced: true };

/** The name of its container; what is injected beside it says nothing. */
export const verifyContainer = "verify";

export interface JobImage {
  readonly image: string;
  readonly imagePullPolicy?: string;
}

/** How long it may read, and how long its log stays. */
const readSeconds = 86_400;
const keptSeconds = 86_400;

/** The same request has the same Job, whoever makes it. */
export const verifyJobName = ({ metadata }: Stanza, requested: string): string =>
  objectName(metadata.name, "verify", shortHash(`${metadata.uid}/${requested}`));

export interface Job extends KubeObject {
  readonly spec?: object;
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

export function verifyJob(stanza: Stanza, requested: string, { image, imagePullPolicy }: JobImage): Job {
  const { name, namespace = "", uid = "" } = stanza.metadata;
  const labels = { "app.kubernetes.io/managed-by": "holdfast", "app.kubernetes.io/component": "verify" };
  const selectors = selectorsOfStanza(stanza);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: verifyJobName(stanza, requested),
      namespace,
      labels,
      ownerReferences: [{ apiVersion, kind: "Stanza", name, uid, controller: true }],
    },
    spec: {
      // What failed once is looked at by a person, and asked for anew.
      backoffLimit: 0,
      activeDeadlineSeconds: readSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 10001,
            runAsGroup: 10001,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [
            {
              name: verifyContainer,
              image,
              ...(imagePullPolicy !== undefined && { imagePullPolicy }),
              command: ["/usr/local/bin/node", "--enable-source-maps", "/app/verify.js"],
              env: [
                { name: "STANZA_SPEC", value: JSON.stringify(stanza.spec) },
                { name: "STANZA_SECRETS", value: JSON.stringify(selectors) },
                ...selectors.map(({ name: secret, key }, index) => ({
                  name: `STANZA_SECRET_${index}`,
                  valueFrom: { secretKeyRef: { name: secret, key } },
                })),
              ],
              resources: resourcesOf(stanza),
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ["ALL"] },
              },
              volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
            },
          ],
          volumes: [{ name: "tmp", emptyDir: { sizeLimit: "64Mi" } }],
        },
      },
    },
  };
}

/** What node and pgbackrest take, and each of its workers: a file's buffers, and the manifest that is read at a time. */
function resourcesOf({ spec }: Stanza) {
  const workers = Math.max(1, spec.stanzaConfiguration.processMax ?? 1);
  return {
    requests: { cpu: "100m", memory: "256Mi" },
    limits: { cpu: String(workers + 1), memory: `${768 + 128 * workers}Mi` },
  };
}

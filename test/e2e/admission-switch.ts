// Switches admission off and on in a namespace, as an administrator would in an emergency: what the controllers and the
// sidecars refuse by themselves is to be seen only without it.
import { kubectl, until } from "./steps.ts";

/** Returns when the API server acts on it. */
export async function setAdmission(namespace: string, state: "on" | "off"): Promise<void> {
  const label = state === "off" ? "holdfast.dev/admission=disabled" : "holdfast.dev/admission-";
  await kubectl(["label", "namespace", namespace, "--overwrite", label]);
  const probe = {
    apiVersion: "holdfast.dev/v1alpha1",
    kind: "ObjectStore",
    metadata: { name: "admission-probe" },
    spec: { configuration: { destinationPath: "nowhere" } },
  };
  const args = ["create", "--namespace", namespace, "--dry-run=server", "-f", "-"];
  await until(`admission to be ${state}`, 30_000, async () => {
    const isRefused = await kubectl(args, { input: JSON.stringify(probe) }).then(
      () => false,
      (error: unknown) => String(error).includes("is not the URL of a bucket"),
    );
    return isRefused === (state === "on");
  });
}

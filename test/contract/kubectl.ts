// kubectl against an API server of the tests, as an administrator whose kubeconfig lies in the account's folder.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { ApiServer } from "./api-server.ts";

/** Not the synchronous way: this very process may answer the API server meanwhile. */
export async function kubectl(
  api: ApiServer,
  args: readonly string[],
  input: object,
): Promise<{ stdout: string; stderr: string; status: number }> {
  const env = { KUBECONFIG: `${api.accountFolder}/kubeconfig`, HOME: api.accountFolder };
  const child = spawn(api.kubectl, [...args], { env });
  child.stdin.end(JSON.stringify(input));
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, status: status as number };
}

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
): Promise<{ stderr: string; status: number }> {
  const env = { KUBECONFIG: `${api.accountFolder}/kubeconfig`, HOME: api.accountFolder };
  const child = spawn(api.kubectl, [...args], { env });
  child.stdout.resume();
  child.stdin.end(JSON.stringify(input));
  const [stderr, [status]] = await Promise.all([text(child.stderr), once(child, "close")]);
  return { stderr, status: status as number };
}

// The parameters of a CNPG Backup into an ObjectStore, refused as CNPG is answered.
import { describeParameter, storeParameterProblems, type Parameters } from "#engine/backup/parameters.ts";
import { RpcError } from "./status-code.ts";

/** Throws RpcError INVALID_ARGUMENT for the first that cannot be. */
export function refuseParameters(parameters: Parameters): void {
  const [problem] = storeParameterProblems(parameters);
  if (problem !== undefined) throw new RpcError("INVALID_ARGUMENT", describeParameter(problem));
}

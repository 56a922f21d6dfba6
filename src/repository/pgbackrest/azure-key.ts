// Whether a secret's value can be the key that a Stanza's repository in Azure says it is. Pure. Looked at before pgBackRest
// sees it, because pgBackRest quotes a signature that it cannot read (src/common/io/http/query.c), and what was taken for one
// may be the account's key.
import type { AzureRepository } from "./config.ts";

export interface KeyProblem {
  readonly message: string;
  readonly hint: string;
}

/** Names and values, each with one sign of equality; its signature among them. */
const signatureForm = /^\??(?:[\w.-]+=(?:[^=&%\s]|%[0-9A-Fa-f]{2})*(?:&|$))+$/;
const base64Form =
  /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$|^[A-Za-z0-9+/]{2}==$|^[A-Za-z0-9+/]{3}=$/;

/** The value itself is never repeated. */
export function azureKeyProblem(keyType: AzureRepository["keyType"], value: string): KeyProblem | undefined {
  const isSignature = signatureForm.test(value) && /(?:^|[?&])sig=./.test(value);
  if (keyType === "sas" && !isSignature)
    return {
      message: "the secret's value is not a shared access signature",
      hint: base64Form.test(value)
        ? "it looks like the account's key, which goes with keyType: shared"
        : "copy the token as Azure shows it, such as sv=…&sig=…, with % where it has them",
    };
  if (keyType === "shared" && !base64Form.test(value))
    return {
      message: "the secret's value is not a storage account's key",
      hint: isSignature
        ? "it is a shared access signature, which goes with keyType: sas"
        : "copy key1 or key2 of the account",
    };
  return undefined;
}

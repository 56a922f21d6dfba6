// A login to MinIO that may do only some things: temporary keys of its security token service (AssumeRole) with a policy.
// Signed by hand (Signature Version 4), because the SDK for that service is no dependency of ours.
import { createHash, createHmac } from "node:crypto";
import type { StoreCredentials } from "#store/config.ts";
import { minioRegion, type Minio } from "./minio.ts";

export async function loginAllowed(minio: Minio, actions: readonly string[]): Promise<StoreCredentials> {
  const { credentials } = minio.config();
  if (credentials.kind !== "keys") throw new Error("MinIO was started with keys");
  const statement = { Effect: "Allow", Action: actions, Resource: ["arn:aws:s3:::*"] };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  const form = { Action: "AssumeRole", Version: "2011-06-15", DurationSeconds: "3600", Policy };
  const body = new URLSearchParams(form).toString();
  const answer = await fetch(`${minio.endpoint}/`, {
    method: "POST",
    body,
    headers: { "content-type": "application/x-www-form-urlencoded", ...signed(minio, credentials, body) },
  });
  const text = await answer.text();
  const field = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(text)?.[1] ?? "";
  if (!answer.ok) throw new Error(`AssumeRole: ${text}`);
  return {
    kind: "keys",
    accessKeyId: field("AccessKeyId"),
    secretAccessKey: field("SecretAccessKey"),
    sessionToken: field("SessionToken"),
  };
}

function signed(
  minio: Minio,
  keys: { readonly accessKeyId: string; readonly secretAccessKey: string },
  body: string,
): Record<string, string> {
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const host = new URL(minio.endpoint).host;
  const names = "host;x-amz-date";
  const canonical = ["POST", "/", "", `host:${host}`, `x-amz-date:${time}`, "", names, sha256(body)].join("\n");
  const scope = [time.slice(0, 8), minioRegion, "sts", "aws4_request"];
  const text = ["AWS4-HMAC-SHA256", time, scope.join("/"), sha256(canonical)].join("\n");
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${keys.secretAccessKey}`);
  const credential = `Credential=${keys.accessKeyId}/${scope.join("/")}`;
  const signature = hmac(key, text).toString("hex");
  return {
    "x-amz-date": time,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`,
  };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

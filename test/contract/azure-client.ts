// Azure Blob Storage as a test uses it beside pgBackRest: makes a container, looks at its blobs and spoils them. Signed by hand
// with the account's key, because Azure's SDK is no dependency of ours.
import { createHmac } from "node:crypto";
import { request } from "node:https";
import type { ObjectStore } from "#store/store.ts";

export interface AzureAccount {
  /** With the account in the path: "https://127.0.0.1:10000". */
  readonly endpoint: string;
  readonly ca: string;
  readonly account: string;
  /** In base64. */
  readonly key: string;
}

interface Asked {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What tests do with objects, whatever holds them. */
export type TestObjects = Pick<ObjectStore, "list" | "put" | "delete">;

const version = "2021-06-08";
const limitMs = 10_000;

export const createContainer = async (account: AzureAccount, container: string): Promise<void> => {
  await ask(account, { method: "PUT", path: `/${container}`, query: { restype: "container" } });
};

/** The blobs below a folder of a container, which begins with a slash. */
export function blobsUnder(account: AzureAccount, container: string, folder: string): TestObjects {
  const root = folder.slice(1);
  return {
    async *list(prefix) {
      const query = { restype: "container", comp: "list", prefix: `${root}/${prefix}` };
      const xml = await ask(account, { method: "GET", path: `/${container}`, query });
      for (const [, blob = ""] of xml.matchAll(/<Blob>(.*?)<\/Blob>/gs)) {
        const field = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(blob)?.[1] ?? "";
        const [key, size] = [field("Name").slice(root.length + 1), Number(field("Content-Length"))];
        yield { kind: "object", key, size, lastModified: new Date(field("Last-Modified")) };
      }
    },
    async put(key, body) {
      const headers = { "x-ms-blob-type": "BlockBlob" };
      await ask(account, { method: "PUT", path: `/${container}/${root}/${key}`, headers, body });
    },
    async delete(keys) {
      for (const key of keys) await ask(account, { method: "DELETE", path: `/${container}/${root}/${key}` });
    },
  };
}

/** A shared access signature of the account, with permissions such as "rl" in Azure's order: r, w, d, l. */
export function sharedAccessSignature({ account, key }: AzureAccount, permissions: string): string {
  const expiry = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");
  const fields = { sp: permissions, ss: "b", srt: "sco", st: "", se: expiry, sip: "", spr: "https", sv: version };
  const text = [account, ...Object.values(fields), "", ""].join("\n");
  const given = Object.entries(fields).filter(([, value]) => value !== "");
  return new URLSearchParams([...given, ["sig", signature(key, text)]]).toString();
}

async function ask({ endpoint, ca, account, key }: AzureAccount, asked: Asked): Promise<string> {
  const { method, query = {}, body } = asked;
  const path = `/${account}${asked.path}`;
  const named = { "x-ms-date": new Date().toUTCString(), "x-ms-version": version, ...asked.headers };
  const length = body === undefined || body.length === 0 ? "" : String(body.length);
  const standard = [method, "", "", length, ...Array<string>(8).fill("")];
  const lines = (entries: object, mark: string): readonly string[] =>
    Object.entries(entries)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}${mark}${value}`);
  const text = [...standard, ...lines(named, ":"), `/${account}${path}`, ...lines(query, ":")].join("\n");
  const headers = {
    ...named,
    "content-length": body?.length ?? 0,
    authorization: `SharedKey ${account}:${signature(key, text)}`,
  };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const url = `${endpoint}${path}?${new URLSearchParams(query).toString()}`;
  const sent = request(url, { method, headers, ca, agent: false, signal: AbortSignal.timeout(limitMs) }, (answer) => {
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("error", reject);
    answer.on("end", () => {
      const said = Buffer.concat(chunks).toString();
      if ((answer.statusCode ?? 500) < 300) resolve(said);
      else reject(new Error(`${method} ${path}: ${answer.statusCode} ${said}`));
    });
  });
  sent.on("error", reject);
  sent.end(body);
  return promise;
}

const signature = (key: string, text: string): string =>
  createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");

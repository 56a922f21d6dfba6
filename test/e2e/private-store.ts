// A store of one journey's own, which it may freeze without harm to others. Pods reach it through a relay on the node's
// address, which sees the requests go by: so the store can be frozen in the very moment in which one is made.
import { basePrefix, parseBackupPrefix } from "#repository/barman/layout.ts";
import { openStore } from "#store/open.ts";
import { minioRegion, startMinio, type Minio } from "../contract/minio.ts";
import { network } from "../cluster/settings.ts";
import { startRelay } from "./relay.ts";
import { adapt, example } from "./steps.ts";

export interface PrivateStore extends Pick<Minio, "freeze" | "thaw"> {
  /** examples/objectstore.yaml for this store. */
  readonly manifest: string;
  /** Whether an object is there, by its key below the folder. */
  holds(key: string): Promise<boolean>;
  /** The ids of a server's backups that have any object, in order. */
  idsUnder(server: string): Promise<readonly string[]>;
  /** Freezes the store instead of letting the next request pass whose first line matches; resolves when that is done. */
  freezeAt(request: RegExp): Promise<void>;
  stop(): Promise<void>;
}

interface Trap {
  readonly request: RegExp;
  readonly sprung: () => void;
}

export async function startPrivateStore(folder: string): Promise<PrivateStore> {
  const minio = await startMinio();
  let trap: Trap | undefined;
  const onSent = (chunk: Buffer): void => {
    if (trap?.request.test(chunk.toString("latin1")) !== true) return;
    minio.freeze();
    trap.sprung();
    trap = undefined;
  };
  const relay = await startRelay({ host: "127.0.0.1", port: minio.port, onSent });

  return {
    manifest: manifestFor(minio, `http://${network.node}:${relay.port}`, folder),
    freeze: () => minio.freeze(),
    thaw: () => minio.thaw(),
    freezeAt: (request) => new Promise((sprung) => (trap = { request, sprung })),
    holds: async (key) => {
      const opened = await openStore(minio.config({ prefix: `${folder}/` }));
      const head = await opened.head(key, { signal: AbortSignal.timeout(10_000) });
      opened.close();
      return head !== undefined;
    },
    idsUnder: async (server) => {
      const opened = await openStore(minio.config({ prefix: `${folder}/` }));
      const options = { delimiter: "/", signal: AbortSignal.timeout(10_000) } as const;
      const entries = await Array.fromAsync(opened.list(basePrefix(server), options));
      opened.close();
      return entries.flatMap((entry) =>
        entry.kind === "prefix" ? (parseBackupPrefix(server, entry.prefix) ?? []) : [],
      );
    },
    stop: async () => {
      relay.close();
      await minio.stop();
    },
  };
}

function manifestFor(minio: Minio, endpoint: string, folder: string): string {
  const { credentials } = minio.config();
  if (credentials.kind !== "keys") throw new Error("a store of its own has keys");
  return adapt(example("objectstore.yaml"), folder)
    .replace(/endpointURL: .*/, `endpointURL: ${endpoint}`)
    .replace(/ACCESS_KEY_ID: .*/, `ACCESS_KEY_ID: ${credentials.accessKeyId}`)
    .replace(/ACCESS_SECRET_KEY: .*/, `ACCESS_SECRET_KEY: ${credentials.secretAccessKey}\n  REGION: ${minioRegion}`)
    .replace(/( *)secretAccessKey: .*/, "$&\n$1region: {name: minio, key: REGION}");
}

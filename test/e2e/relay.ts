// A way to a server that can stand still: connections are taken and nothing is answered, as by a server whose process
// hangs, while whoever reaches the same server by another way notices nothing.
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { network } from "../cluster/settings.ts";

export interface Relay {
  /** On the node's address, which pods reach. */
  readonly port: number;
  freeze(): void;
  /** Goes on where it was, with what came meanwhile. */
  thaw(): void;
  close(): void;
}

export interface RelayOptions {
  readonly host: string;
  readonly port: number;
  /** Sees what clients send, before the server does. */
  readonly onSent?: (chunk: Buffer) => void;
}

export async function startRelay({ host, port, onSent }: RelayOptions): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isFrozen = false;

  const join = ([client, server]: readonly [Socket, Socket]): void => void client.pipe(server).pipe(client);
  const part = ([client, server]: readonly [Socket, Socket]): void => {
    client.unpipe(server);
    server.unpipe(client);
  };

  const relay = createServer((client) => {
    const pair = [client, connect(port, host)] as const;
    pairs.add(pair);
    for (const socket of pair) {
      const other = socket === pair[0] ? pair[1] : pair[0];
      socket.on("error", () => other.destroy());
      socket.on("close", () => (pairs.delete(pair), other.destroy()));
    }
    if (onSent !== undefined) client.on("data", onSent);
    if (!isFrozen) join(pair);
  });
  relay.listen(0, network.node);
  await once(relay, "listening");

  return {
    port: (relay.address() as AddressInfo).port,
    freeze() {
      isFrozen = true;
      for (const pair of pairs) part(pair);
    },
    thaw() {
      isFrozen = false;
      for (const pair of pairs) join(pair);
    },
    close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      relay.close();
    },
  };
}

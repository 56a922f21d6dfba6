// The open connections of a port that every pod can reach: of too many, the one goes that was served longest ago, so that
// whoever holds connections without asking, be it in the middle of a handshake or of a request, keeps nobody else out.
import type { Socket } from "node:net";

export interface Connections {
  /** Of the server's "connection": before the handshake. */
  opened(socket: Socket): void;
  /** A request on it was answered; the socket is the one of the request. */
  served(socket: Socket): void;
}

export function createConnections(most: number): Connections {
  /** Served longest ago first. */
  const open = new Map<string, Socket>();
  return {
    opened(socket) {
      const key = keyOf(socket);
      open.set(key, socket);
      socket.once("close", () => {
        if (open.get(key) === socket) open.delete(key);
      });
      for (const [name, oldest] of open) {
        if (open.size <= most) return;
        open.delete(name);
        oldest.destroy();
      }
    },
    served(socket) {
      const key = keyOf(socket);
      const found = open.get(key);
      if (found === undefined) return;
      open.delete(key);
      open.set(key, found);
    },
  };
}

/** The same for the connection and for the session of TLS on it. */
const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

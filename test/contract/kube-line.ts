// A TCP line in front of a server that a test can cut (connections break, new ones are refused) or mute (open
// connections stay but carry nothing more, as behind a dead router).
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Line {
  readonly port: number;
  cut(): void;
  /** Open connections only; new ones work. */
  mute(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function openLine(targetPort: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(targetPort, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mute() {
      for (const socket of sockets) socket.removeAllListeners("data").resume();
    },
    mend() {
      isCut = false;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

// A line in front of an object store, plain or with TLS, on which answers can be cut short, garbled, lost or held back.
// The Host header passes as the client signed it, so signed requests hold.
import { connect, createServer as createPlainServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

export interface Faults {
  /** Closes the connection once this many bytes of an answer have passed. */
  cutAfter?: number;
  /** Lets this many bytes of an answer pass, then nothing more. */
  holdAfter?: number;
  /** Inverts the byte of an answer at this place. */
  garbleAt?: number;
  /** Closes the connection instead of passing the answer to the first request whose head matches; then forgets it. */
  loseAnswerTo?: RegExp;
}

export interface StoreLine {
  readonly port: number;
  /** May be changed at any time; what is absent does not happen. */
  readonly faults: Faults;
  /** Heads of the requests that have passed: "PUT /backups/key". */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface LineOptions {
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export async function openStoreLine(targetPort: number, options: LineOptions = {}): Promise<StoreLine> {
  const faults: Faults = {};
  const requests: string[] = [];
  const open = new Set<Socket>();
  const accept = (near: Socket): void => {
    const far = connect(targetPort, "127.0.0.1");
    const exchange = { passed: 0, lost: false };
    near.on("data", (bytes: Buffer) => {
      const head = /^[A-Z]+ [^ ]+(?= HTTP)/.exec(bytes.toString("latin1", 0, 2000))?.[0];
      if (head !== undefined) {
        requests.push(head);
        exchange.passed = 0;
        exchange.lost = faults.loseAnswerTo?.test(head) ?? false;
        if (exchange.lost) delete faults.loseAnswerTo;
      }
      if (!far.write(bytes)) near.pause();
    });
    far.on("drain", () => near.resume());
    far.on("data", (bytes: Buffer) => {
      const from = exchange.passed;
      exchange.passed += bytes.length;
      if (exchange.lost) near.destroy();
      else passAnswer(near, bytes, { from, faults });
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  };
  const { tls } = options;
  const server = tls ? createTlsServer({ cert: tls.certificate, key: tls.key }, accept) : createPlainServer(accept);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    faults,
    requests,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

function passAnswer(
  near: Socket,
  bytes: Buffer,
  { from, faults }: { readonly from: number; readonly faults: Faults },
): void {
  const { garbleAt, cutAfter, holdAfter } = faults;
  if (garbleAt !== undefined && garbleAt >= from && garbleAt < from + bytes.length) {
    bytes[garbleAt - from] = bytes[garbleAt - from]! ^ 0xff;
  }
  const limit = Math.max(0, (cutAfter ?? holdAfter ?? Number.POSITIVE_INFINITY) - from);
  const passing = bytes.subarray(0, limit);
  if (passing.length > 0)
    near.write(passing, () => cutAfter !== undefined && passing.length < bytes.length && near.destroy());
  else if (cutAfter !== undefined) near.destroy();
}

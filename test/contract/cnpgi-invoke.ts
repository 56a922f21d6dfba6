// Calls a method of a gRPC service without a transport, as bytes in and bytes out like the server does.
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { Service } from "#cnpgi/service.ts";

/** The encoded answer. */
export async function invokeRaw<Input extends DescMessage>(
  service: Service,
  method: DescMethodUnary<Input>,
  request: MessageInitShape<Input>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Uint8Array> {
  const handler = service.methods.get(`/${method.parent.typeName}/${method.name}`);
  if (handler === undefined) throw new Error(`no handler for ${method.name}`);
  return handler(toBinary(method.input, create(method.input, request)), { signal });
}

export async function invoke<Input extends DescMessage, Output extends DescMessage>(
  service: Service,
  method: DescMethodUnary<Input, Output>,
  request: MessageInitShape<Input>,
  signal?: AbortSignal,
): Promise<MessageShape<Output>> {
  return fromBinary(method.output, await invokeRaw(service, method, request, signal));
}

export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Pairs of hexadecimal digits with spaces between them. */
export const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

// Binds handlers to a generated service description: typed on the inside, bytes on the outside. Knows no transport.
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { GenService, GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import { RpcError } from "./status-code.ts";

export interface CallContext {
  /** Aborts with an RpcError when the client goes away, the call's deadline passes or the server gives up its drain. */
  readonly signal: AbortSignal;
}

/** Handlers by method; a method without one is answered UNIMPLEMENTED. */
export type Handlers<Methods extends GenServiceMethods> = {
  readonly [Name in keyof Methods]?: Methods[Name] extends {
    methodKind: "unary";
    input: infer Input extends DescMessage;
    output: infer Output extends DescMessage;
  }
    ? (
        request: MessageShape<Input>,
        context: CallContext,
      ) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>
    : never;
};

/** The handlers of a generated service: `HandlersOf<typeof WAL>`. */
export type HandlersOf<Description> = Description extends GenService<infer Methods> ? Handlers<Methods> : never;

/** Takes and gives encoded messages. Throws whatever the handler throws. */
export type Method = (request: Uint8Array, context: CallContext) => Promise<Uint8Array>;

export interface Service {
  /** Keyed by HTTP path: `/package.Service/Method`. */
  readonly methods: ReadonlyMap<string, Method>;
}

export function service<Methods extends GenServiceMethods>(
  description: GenService<Methods>,
  handlers: Handlers<Methods>,
): Service {
  const methods = new Map<string, Method>();
  // The description's static type holds each method's own messages; the loop needs only what all unary methods share.
  for (const method of description.methods as readonly DescMethodUnary[]) {
    const handler = handlers[method.localName] as UntypedHandler | undefined;
    if (handler !== undefined) methods.set(`/${description.typeName}/${method.name}`, bind(method, handler));
  }
  return { methods };
}

type UntypedHandler = (request: MessageShape<DescMessage>, context: CallContext) => unknown;

const bind =
  (method: DescMethodUnary, handler: UntypedHandler): Method =>
  async (bytes, context) => {
    const request = decode(method.input, bytes);
    const response = (await handler(request, context)) as MessageInitShape<DescMessage>;
    return toBinary(method.output, create(method.output, response));
  };

function decode(schema: DescMessage, bytes: Uint8Array): MessageShape<DescMessage> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new RpcError("INVALID_ARGUMENT", `request is not a ${schema.typeName}`, { cause: error });
  }
}

// Makes the answers to GetCapabilities and holds them to what CNPG relies on without looking: a capability whose oneof is
// not set, a message field that is missing, an enum of zero end its process, and PostgreSQL's with it.
import assert from "node:assert/strict";
import { create, type DescField, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/** The message; an AssertionError at start-up when something in it is unset that CNPG would dereference. */
export function complete<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): MessageShape<Desc> {
  const message = create(schema, init);
  const gaps = findGaps(reflect(schema, message), schema.name);
  assert(gaps.length === 0, `an answer to CloudNativePG lacks ${gaps.join(", ")}`);
  return message;
}

/** Paths of unset oneofs, unset message fields and enums of zero, in the message and all that it holds. */
function findGaps(message: ReflectMessage, path: string): readonly string[] {
  return [
    ...message.desc.oneofs
      .filter((oneof) => message.oneofCase(oneof) === undefined)
      .map((oneof) => `${path}.${oneof.name}`),
    ...message.fields.flatMap((field) => fieldGaps(message, field, `${path}.${field.name}`)),
  ];
}

function fieldGaps(message: ReflectMessage, field: DescField, path: string): readonly string[] {
  if (field.fieldKind === "enum") return message.get(field) === 0 ? [path] : [];
  if (field.fieldKind === "list") {
    return [...message.get(field)].flatMap((item, index) =>
      isReflectMessage(item) ? findGaps(item, `${path}[${index}]`) : [],
    );
  }
  if (field.fieldKind !== "message") return [];
  if (message.isSet(field)) return findGaps(message.get(field), path);
  // That of a oneof is told as the oneof's.
  return field.oneof === undefined ? [path] : [];
}

// Makes the answers to GetCapabilities and holds them to what CNPG relies on without looking: a capability whose oneof is
// not set, a message field that is missing, an enum of zero end its process, and PostgreSQL's with it.
import assert from "node:assert/strict";
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/** The message; an AssertionError at start-up when something in it is unset that CNPG would dereference. */
export function complete<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): MessageShape<Desc> {
  const message = create(schema, init);
  const gaps = findGaps(reflect(schema, message), schema.name);
  assert(gaps.length === 0, `answer to CloudNativePG lacks ${gaps.join(", ")}`);
  return message;
}

/** Paths of unset oneofs, unset message fields and enums of zero, in the message and all that it holds. */
export function findGaps(message: ReflectMessage, path: string): readonly string[] {
  const oneofs = message.desc.oneofs
    .filter((oneof) => message.oneofCase(oneof) === undefined)
    .map((oneof) => `${path}.${oneof.name}`);
  const fields = message.fields.flatMap((field) => {
    const at = `${path}.${field.name}`;
    switch (field.fieldKind) {
      case "enum":
        return message.get(field) === 0 ? [at] : [];
      case "message":
        if (message.isSet(field)) return findGaps(message.get(field), at);
        return field.oneof === undefined ? [at] : [];
      case "list": {
        if (field.listKind !== "message") return [];
        return [...message.get(field)].flatMap((item, index) => findGaps(item as ReflectMessage, `${at}[${index}]`));
      }
      case "map":
      case "scalar":
        return [];
    }
  });
  return [...oneofs, ...fields];
}

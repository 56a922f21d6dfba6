// What another controller last found out about a Stanza, by its uid, on its way to the one that writes the status: nothing
// of those that nobody has looked at since this process leads.
import { BoundedMap } from "#std/bounded-map.ts";

const rememberedMax = 10_000;

export class Findings<T> extends BoundedMap<string, T> {
  constructor() {
    super(rememberedMax);
  }
}

import { expect, it } from "vitest";
import { parseTablespaces } from "./tablespaces.ts";

const info = (tablespace: unknown): string =>
  JSON.stringify([{ name: "main", backup: [{ label: "20261126-182513F", tablespace }], status: { code: 0 } }]);

it("tells the tablespaces of a backup, also that there are none", () => {
  const destination = "/var/lib/postgresql/tablespaces/fast/data";
  expect(parseTablespaces(info([{ name: "fast", destination, oid: 16384 }]), "20261126-182513F")).toEqual([
    { name: "fast", path: destination },
  ]);
  expect(parseTablespaces(info(null), "20261126-182513F")).toEqual([]);
});

it("does not take an outage for a backup without tablespaces", () => {
  const outage = [{ name: "main", backup: [], status: { code: 99 } }];
  expect(parseTablespaces(JSON.stringify(outage), "20261126-182513F")).toBeUndefined();
  expect(parseTablespaces("", "20261126-182513F")).toBeUndefined();
});

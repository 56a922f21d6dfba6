import { expect, it } from "vitest";
import { followCopy } from "./follow-copy.ts";

it("tells progress, warnings and the label", () => {
  const told: object[] = [];
  const warned: object[] = [];
  const copy = followCopy({
    bytesGuess: 1,
    onProgress: (progress) => told.push(progress),
    logger: { warn: (about: object) => void warned.push(about) },
  });
  copy.read("P00   INFO: last backup label = 20261125-181459F, version = 2.55.1");
  copy.read("P01 DETAIL: backup file /pgdata/base/5/1255 (8KB, 50.00%) checksum 5d9e8f5a");
  const warning = "P00   WARN: a file changed";
  copy.read(warning);
  expect(copy.label()).toBeUndefined();
  copy.read("P00   INFO: new backup label = 20261125-181459F_20261126-181503I");
  copy.read("P00   INFO: incr backup size = 8KB, file total = 1");
  expect(copy.label()).toBe("20261125-181459F_20261126-181503I");
  expect(told).toEqual([{ bytesDone: 8192, bytesTotal: 16384 }]);
  expect(warned).toEqual([{ said: warning }]);
});

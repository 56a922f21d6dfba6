import { describe, expect, it } from "vitest";
import { parseVerify } from "./verify.ts";

const zero = "    missing: 0, checksum invalid: 0, size invalid: 0, other: 0";
/** As 2.45, 2.55 and 2.60 wrote it. */
const whole = `stanza: main
status: ok
  archiveId: 15-1, total WAL checked: 4, total valid WAL: 4
${zero}
  backup: 20261126-181459F, status: valid, total files checked: 964, total valid files: 964
${zero}
  backup: 20261126-181459F_20261126-181503I, status: in-progress, total files checked: 0, total valid files: 0
`;

describe("the text of verify", () => {
  it("passes when all that was read is whole", () => {
    expect(parseVerify(whole)).toMatchObject({
      state: "Passed",
      message: "964 files of 2 backups and 4 segments are whole",
      archives: [{ id: "15-1", segmentsChecked: 4, segmentsValid: 4, missing: 0 }],
      backups: [{ id: "20261126-181459F", state: "valid", filesChecked: 964 }, { state: "in-progress" }],
    });
  });

  it("fails with the backups and segments that are damaged, and how", () => {
    const text = whole
      .replace("status: ok", "status: error")
      .replace(zero, zero.replace("checksum invalid: 0", "checksum invalid: 2"))
      .replace(
        "status: valid, total files checked: 964, total valid files: 964",
        "status: invalid, total files checked: 964, total valid files: 963",
      )
      .replace(`963\n${zero}`, `963\n${zero.replace("missing: 0", "missing: 1")}`);
    expect(parseVerify(text)).toMatchObject({
      state: "Failed",
      message: "backup 20261126-181459F is damaged (1 missing); archive 15-1 is damaged (2 with a wrong checksum)",
      backups: [{ state: "invalid", missing: 1 }, {}],
    });
  });

  it("fails with what it says besides", () => {
    expect(parseVerify("stanza: main\nstatus: error\n  No usable backup.info file\n")).toMatchObject({
      state: "Failed",
      message: "No usable backup.info file",
    });
  });

  it("proves nothing by reading nothing", () => {
    const empty = "stanza: main\nstatus: ok\n  archiveId: none found\n  backup: none found\n";
    expect(parseVerify(empty)).toMatchObject({ state: "Unknown", message: "there was nothing to verify" });
    expect(parseVerify("")).toMatchObject({ state: "Unknown" });
  });
});

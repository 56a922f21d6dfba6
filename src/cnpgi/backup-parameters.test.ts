import { describe, expect, it } from "vitest";
import { refuseParameters } from "./backup-parameters.ts";

describe("parameters of a CNPG Backup", () => {
  it.each([{}, { type: "full" }, { backupType: "full" }])("may be %j", (parameters) => {
    expect(() => refuseParameters(parameters)).not.toThrow();
  });

  it.each([
    [{ type: "incr" }, /parameters\.type: .*full backups only, not incr/],
    [{ backupType: "" }, /parameters\.backupType: .*write full/],
    [{ type: "full", tpye: "full" }, /parameters\.tpye: unknown parameter/],
    [{ selectedRepository: "2" }, /parameters\.selectedRepository: only a Stanza/],
  ])("are refused by name: %j", (parameters, words) => {
    expect(() => refuseParameters(parameters)).toThrow(words);
  });
});

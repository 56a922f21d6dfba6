import { expect, it } from "vitest";
import { restoreSettings } from "./settings.ts";

it("restoreSettings asks for promotion and for CNPG's own restore command, and sets no target", () => {
  expect(restoreSettings().split("\n")).toEqual([
    "recovery_target_action = promote",
    "restore_command = '/controller/manager wal-restore --log-destination /controller/log/postgres.json %f %p'",
    "",
  ]);
});

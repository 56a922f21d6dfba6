import { expect, it } from "vitest";
import { parseBackupRequest } from "./backup-request.ts";

const parse = (parameters: Record<string, string>) => parseBackupRequest(parameters, [1, 2]);

it.each([
  [{}, { repository: 1 }],
  [{ type: "diff" }, { repository: 1, type: "diff" }],
  [
    { backupType: "incr", selectedRepository: "2" },
    { repository: 2, type: "incr" },
  ],
  [
    { type: "full", backupType: "full" },
    { repository: 1, type: "full" },
  ],
])("reads %j", (parameters, request) => {
  expect(parse(parameters)).toEqual({ kind: "request", request });
});

it.each([
  [{ selectedRepositry: "2" }, "selectedRepositry: unknown parameter (did you mean selectedRepository?)"],
  [
    { immediateCheckpoint: "true" },
    "immediateCheckpoint: unknown parameter (known are type, backupType, selectedRepository)",
  ],
  [{ type: "Full" }, 'type: there is no type "Full" (write full, diff, incr)'],
  [{ backupType: "" }, 'backupType: there is no type "" (write full, diff, incr)'],
  [{ type: "full", backupType: "incr" }, "backupType: type is full, backupType is incr (give one of them)"],
  [{ selectedRepository: "3" }, 'selectedRepository: the Stanza has no repository "3" (write 1, 2)'],
  [{ selectedRepository: "0" }, 'selectedRepository: the Stanza has no repository "0" (write 1, 2)'],
  [{ selectedRepository: "01" }, 'selectedRepository: the Stanza has no repository "01" (write 1, 2)'],
])("refuses %j", (parameters, message) => {
  expect(parse(parameters as Record<string, string>)).toEqual({
    kind: "invalid",
    message: `pluginConfiguration.parameters.${message}`,
  });
});

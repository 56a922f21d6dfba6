import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import type { StanzaConfig } from "./config.ts";
import { openPgbackrest } from "./pgbackrest.ts";

const config: StanzaConfig = {
  stanza: "main",
  repositories: [{ type: "s3", key: 1, path: "/p", bucket: "b", endpoint: "e", region: "r", verifyTls: true }],
  credentials: { kind: "repositories", each: [{}] },
  processMax: 1,
  archive: { async: false, getQueueBytes: 1 },
  startFast: true,
  delta: false,
  logLevel: "warn",
  backup: { fullEveryDays: 7, chainMax: 30 },
  variables: { PGBACKREST_IO_TIMEOUT: "20" },
};

it("lets no variable of the pod reach the program but those of the system and of the pod's identity", async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-environment-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "program");
  await writeFile(program, "#!/bin/sh\nexec env\n", { mode: 0o755 });
  // As a Service named pgbackrest brings them, and one whose name begins so.
  vi.stubEnv("PGBACKREST_SERVICE_HOST", "10.0.0.1");
  vi.stubEnv("PGBACKREST_PORT_80_TCP_ADDR", "10.0.0.1");
  vi.stubEnv("PGBACKREST_REPO1_PATH", "/elsewhere");
  vi.stubEnv("PGDATA", "/pgdata");
  vi.stubEnv("AWS_ROLE_ARN", "role");
  onTestFinished(() => void vi.unstubAllEnvs());
  const pgbackrest = await openPgbackrest(config, { scratch: join(folder, "scratch"), program });
  const signal = AbortSignal.timeout(10_000);
  const { stdout } = await pgbackrest.run("info", { deadlineMs: 10_000, signal });
  const variables = new Map(stdout.split("\n").map((line) => line.split("=", 2) as [string, string]));
  expect([...variables.keys()].filter((name) => /SERVICE|PORT|^PGDATA$/.test(name))).toEqual([]);
  expect(variables.get("PGBACKREST_REPO1_PATH")).toBe("/p");
  expect(variables.get("PGBACKREST_IO_TIMEOUT")).toBe("20");
  expect(variables.get("AWS_ROLE_ARN")).toBe("role");
});

import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

// unit: beside the code, no network, no cluster. contract: one suite for all implementations of a port, against real
// servers that each file starts for itself, on free ports and in a folder of its own. e2e: journeys on the embedded cluster
// (scripts/test.ts brings it up first). Both mostly wait, so there are more workers than processors. Journeys that change
// the operator under all others come after them, one by one.
const alone = ["test/e2e/operator.test.ts"];
const journey = { include: ["test/e2e/**/*.test.ts"], testTimeout: 900_000, hookTimeout: 900_000, bail: 0 };

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "{src,controllers,webhooks,scripts}/**/*.test.ts",
            "test/cluster/**/*.test.ts",
            "test/tidy.test.ts",
          ],
          testTimeout: 20_000,
          // Quicker to start than processes, and there are many files; more than processors, for some tests wait.
          pool: "threads",
          maxWorkers: 4,
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...journey,
          name: "e2e",
          exclude: alone,
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...journey,
          name: "e2e-alone",
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

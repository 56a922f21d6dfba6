import { defineConfig } from "vitest/config";

// unit: beside the code, no network, no cluster. contract: one suite for all implementations of a port, against real
// servers that the suite starts; those of pgBackRest mostly wait for silent servers, so two at a time. e2e: journeys on the
// embedded cluster (scripts/test.ts brings it up first), two at a time, for they mostly wait as well; those that change the
// operator under all others come after them, one by one.
const alone = ["test/e2e/operator.test.ts"];
const ofPgbackrest = ["test/contract/{pgbackrest-*,repository-pgbackrest,stanza}.test.ts"];
const contract = { testTimeout: 120_000, hookTimeout: 120_000 };
const journey = { include: ["test/e2e/**/*.test.ts"], testTimeout: 900_000, hookTimeout: 900_000, bail: 0 };

export default defineConfig({
  test: {
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
          ...contract,
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          exclude: ofPgbackrest,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...contract,
          name: "contract-pgbackrest",
          include: ofPgbackrest,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...journey,
          name: "e2e",
          exclude: alone,
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          ...journey,
          name: "e2e-alone",
          include: alone,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});

import { defineConfig } from "vitest/config";

// unit: beside the code, no network, no cluster. contract: one suite for all implementations of a port, against real
// servers that the suite starts. e2e: journeys on the embedded cluster (scripts/test.ts brings it up first).
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
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
          bail: 0,
        },
      },
    ],
  },
});

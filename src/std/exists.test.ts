import { expect, it } from "vitest";
import { exists } from "./exists.ts";

it("is true of what is there, and false of what is not or cannot be looked at", async () => {
  const paths = [
    import.meta.filename,
    import.meta.dirname,
    `${import.meta.dirname}/nothing`,
    `${import.meta.filename}/in`,
  ];
  expect(await Promise.all(paths.map(exists))).toEqual([true, true, false, false]);
});

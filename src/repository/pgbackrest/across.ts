// One question to several repositories of a stanza at once, and what may be concluded when some do not answer. A restore
// takes each file from whichever repository has it, so what is in one of them is there.
import { inParallel } from "../in-parallel.ts";
import type { RepositoryFiles } from "./files.ts";

const atOnce = 4;

interface Answers<T> {
  readonly values: readonly T[];
  /** Of those that did not answer. */
  readonly errors: readonly unknown[];
}

async function ask<T>(
  repositories: readonly RepositoryFiles[],
  question: (files: RepositoryFiles) => Promise<T>,
): Promise<Answers<T>> {
  const answers = await inParallel(repositories, atOnce, async (files) => {
    try {
      return { value: await question(files) };
    } catch (error) {
      return { error };
    }
  });
  return {
    values: answers.flatMap((answer) => ("value" in answer ? [answer.value] : [])),
    errors: answers.flatMap((answer) => ("error" in answer ? [answer.error] : [])),
  };
}

/** For questions about all there is: throws when one does not answer. */
export async function askAll<T>(
  repositories: readonly RepositoryFiles[],
  question: (files: RepositoryFiles) => Promise<T>,
): Promise<readonly T[]> {
  const { values, errors } = await ask(repositories, question);
  if (errors.length > 0) throw errors[0];
  return values;
}

/** For questions that one answer can settle: throws only when it is not settled and one does not answer. */
export async function askUntil<T, R>(
  repositories: readonly RepositoryFiles[],
  question: (files: RepositoryFiles) => Promise<T>,
  conclude: (values: readonly T[]) => { readonly result: R; readonly isSettled: boolean },
): Promise<R> {
  const { values, errors } = await ask(repositories, question);
  const { result, isSettled } = conclude(values);
  if (!isSettled && errors.length > 0) throw errors[0];
  return result;
}

// Gives back what loading the store's SDK left in the heap: an idle process allocates so little that V8 would not collect
// for minutes. Twenty seconds after the start and each minute from then, and only while memory is above what is wanted.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const wantedBytes = 80_000_000;
const firstMs = 20_000;
const everyMs = 60_000;

/** The function lives in a context of its own, which costs a megabyte: so it is not kept. */
function collect(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** `isBusy`: a collection would only hold up the work. */
export function tidyMemory(isBusy: () => boolean): void {
  const tidy = (): void => {
    if (!isBusy() && process.memoryUsage.rss() > wantedBytes) collect();
  };
  setTimeout(tidy, firstMs).unref();
  setInterval(tidy, everyMs).unref();
}

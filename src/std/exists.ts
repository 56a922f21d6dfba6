// Whether there is a file of this name; what stands in the way of knowing counts as none.
import { access } from "node:fs/promises";

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

// The order in which test files begin: the longest first, so that no worker is left alone with one at the end. Vitest orders
// by how long a file took last time, which a fresh clone does not know, and else by a file's size, which says little here.
import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take half a minute or more, longest first; what is not named comes after them. */
const longest = [
  // Contract.
  "pgbackrest-outage",
  "pgbackrest-program",
  "pgbackrest-repositories",
  "repository-pgbackrest-image",
  "pgbackrest-restore",
  "repository-pgbackrest-oldest",
  "pgbackrest-backup",
  "pgbackrest-azure",
  "object-store",
  "backup-request",
  "pgbackrest-wal",
  // Journeys; a contract test may have the same name.
  "stanza",
  "stanza-repository-down",
  "stanza-upgrade",
  "frozen-store",
  "bad-input",
  "api-server-away",
  "backup-status",
  "main-job",
  "failover",
  "azure",
];

const placeOf = ({ moduleId }: TestSpecification): number => {
  const place = longest.indexOf(basename(moduleId, ".test.ts"));
  return place === -1 ? longest.length : place;
};

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return usual.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

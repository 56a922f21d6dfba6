// Which pgBackRest the image has, and what that leaves out. Pure.

/** Major and minor version in the product's image; Containerfile installs it. */
export const imageVersion = "2.55";

/** "plain HTTP needs pgBackRest 2.58, and the image has 2.55" */
export const needsVersion = (what: string, version: string): string =>
  `${what} needs pgBackRest ${version}, and the image has ${imageVersion}`;

/** The first version of pgBackRest that knows a major version of PostgreSQL, where that is newer than the image's. */
const sinceVersion: Readonly<Record<number, string>> = { 18: "2.57", 19: "2.59" };

/** Why this PostgreSQL cannot be backed up into a Stanza; undefined when it can, as far as pgBackRest is concerned. */
export function unsupportedByImage(major: number): string | undefined {
  const version = sinceVersion[major];
  return version === undefined ? undefined : needsVersion(`PostgreSQL ${major} in a Stanza`, version);
}

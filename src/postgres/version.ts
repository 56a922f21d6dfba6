// PostgreSQL versions: which majors are supported, and the two number forms they come in. Pure.

export const supportedMajors = [15, 16, 17, 18] as const;
export type SupportedMajor = (typeof supportedMajors)[number];

export const isSupportedMajor = (major: number): major is SupportedMajor =>
  (supportedMajors as readonly number[]).includes(major);

/** The major of a server_version_num: 150018 → 15 (before 10 the numbering was another; those are unsupported anyway). */
export const majorOf = (versionNumber: number): number => Math.floor(versionNumber / 10_000);

/** The major in a PG_VERSION file ("15\n"); undefined when it holds anything else. */
export function parsePgVersionFile(text: string): number | undefined {
  const match = /^(\d{1,3})\s*$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** What to say about a major that is not supported, for an error or a condition. */
export const unsupportedMajor = (major: number): string =>
  `postgresql ${major} is not supported yet (supported: ${supportedMajors.join(", ")})`;

// Where a Stanza's data are, as texts that are equal for two Stanzas exactly when they share data, as far as names tell.
// Pure. A spec that was stored under another schema may hold anything.
import { serverOf } from "#store/location.ts";
import type { StanzaSpec } from "./config.ts";

/** What is read of a repository in either list. */
interface Written {
  readonly bucket?: unknown;
  readonly account?: unknown;
  readonly container?: unknown;
  readonly endpoint?: unknown;
  readonly repoPath?: unknown;
}

/**
 * The place of each repository, in the order of their numbers: "s3 SERVER BUCKET PATH"; undefined for one that names none.
 * `namespace` is the Stanza's: host names without dots are Services in it.
 */
export function repositoryPlaces(spec: StanzaSpec | undefined, namespace: string): readonly (string | undefined)[] {
  const { s3Repositories, azureRepositories }: { s3Repositories?: unknown; azureRepositories?: unknown } =
    spec?.stanzaConfiguration ?? {};
  return [
    ...listOf(s3Repositories).map((repository) => placeInS3(repository, namespace)),
    ...listOf(azureRepositories).map((repository) => placeInAzure(repository, namespace)),
  ];
}

/** One for each repository: the place and the stanza in it. */
export function stanzaLocations(spec: StanzaSpec | undefined, namespace: string): readonly string[] {
  const name: unknown = spec?.stanzaConfiguration?.name;
  if (typeof name !== "string") return [];
  return repositoryPlaces(spec, namespace).flatMap((place) => (place === undefined ? [] : [`${place} ${name}`]));
}

const listOf = (list: unknown): readonly Written[] =>
  Array.isArray(list)
    ? list.map((entry: unknown) => (typeof entry === "object" && entry !== null ? (entry as Written) : {}))
    : [];

function placeInS3({ bucket, endpoint, repoPath }: Written, namespace: string): string | undefined {
  const server = serverOfEndpoint(endpoint, namespace);
  if (server === undefined || typeof bucket !== "string" || typeof repoPath !== "string") return undefined;
  return `s3 ${server} ${bucket} ${pathOf(repoPath)}`;
}

function placeInAzure({ account, container, endpoint, repoPath }: Written, namespace: string): string | undefined {
  const server = serverOfEndpoint(endpoint ?? "blob.core.windows.net", namespace);
  if (server === undefined || ![account, container, repoPath].every((text) => typeof text === "string"))
    return undefined;
  return `azure ${server} ${String(account)} ${String(container)} ${pathOf(String(repoPath))}`;
}

/** A host, or a URL with a protocol. */
function serverOfEndpoint(endpoint: unknown, namespace: string): string | undefined {
  if (typeof endpoint !== "string") return undefined;
  return serverOf(/^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`, namespace);
}

/** pgBackRest takes one slash off the end. */
const pathOf = (path: string): string => (path.endsWith("/") ? path.slice(0, -1) : path);

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
  readonly region?: unknown;
  readonly uriStyle?: unknown;
  readonly repoPath?: unknown;
}

/**
 * The place of each repository, in the order of their numbers: "s3 SERVER BUCKET PATH"; undefined for one that names none.
 * `namespace` is the Stanza's: host names without dots are Services in it.
 */
export function repositoryPlaces(spec: StanzaSpec | undefined, namespace: string): readonly (string | undefined)[] {
  const { s3, azure } = writtenIn(spec);
  return [
    ...s3.map((repository) => placeInS3(repository, namespace)),
    ...azure.map((repository) => placeInAzure(repository, namespace)),
  ];
}

/** What takes each repository away by its own failure, in the order of their numbers: equal for those on one endpoint. */
export function failureDomains(spec: StanzaSpec, namespace: string): readonly (string | undefined)[] {
  const { s3, azure } = writtenIn(spec);
  return [
    ...s3.map(({ endpoint, region }) => domain(serverOfEndpoint(endpoint, namespace), region)),
    // With the account in the host's name, each account has an endpoint of its own.
    ...azure.map(({ endpoint = azureServer, account, uriStyle = "host" }) =>
      domain(serverOfEndpoint(endpoint, namespace), uriStyle === "host" ? account : undefined),
    ),
  ];
}

/** Amazon's endpoints count as one server, whose regions fail by themselves. */
const domain = (server: string | undefined, part: unknown): string | undefined =>
  server === undefined ? undefined : `${server} ${typeof part === "string" ? part : ""}`;

/** One for each repository: the place and the stanza in it. */
export function stanzaLocations(spec: StanzaSpec | undefined, namespace: string): readonly string[] {
  const name: unknown = spec?.stanzaConfiguration?.name;
  if (typeof name !== "string") return [];
  return repositoryPlaces(spec, namespace).flatMap((place) => (place === undefined ? [] : [`${place} ${name}`]));
}

function writtenIn(spec: StanzaSpec | undefined): { s3: readonly Written[]; azure: readonly Written[] } {
  const { s3Repositories, azureRepositories }: { s3Repositories?: unknown; azureRepositories?: unknown } =
    spec?.stanzaConfiguration ?? {};
  return { s3: listOf(s3Repositories), azure: listOf(azureRepositories) };
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

const azureServer = "blob.core.windows.net";

function placeInAzure({ account, container, endpoint, repoPath }: Written, namespace: string): string | undefined {
  const server = serverOfEndpoint(endpoint ?? azureServer, namespace);
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

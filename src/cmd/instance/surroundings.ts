// Where the sidecar finds itself: what CNPG's environment says of the instance. Read once; a missing variable is a
// mistake of the injection and ends the process with its name.

export interface Surroundings {
  readonly pod: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly pgdata: string;
  /** Directory of PostgreSQL's unix socket. */
  readonly socketDirectory: string;
  readonly port: number;
  /** Scratch space that nobody else uses. */
  readonly scratch: string;
}

export function readSurroundings(environment: NodeJS.ProcessEnv): Surroundings {
  const need = (name: string): string => {
    const value = environment[name];
    if (value === undefined || value === "") throw new Error(`the environment variable ${name} is missing`);
    return value;
  };
  return {
    pod: need("POD_NAME"),
    namespace: need("NAMESPACE"),
    cluster: need("CLUSTER_NAME"),
    pgdata: need("PGDATA"),
    socketDirectory: environment["PGHOST"] ?? "/controller/run",
    port: Number(environment["PGPORT"] ?? "5432"),
    scratch: need("TMPDIR"),
  };
}

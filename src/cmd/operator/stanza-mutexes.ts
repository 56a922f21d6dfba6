// What the operator holds while it removes something from a stanza: the Lease of the Stanza, and that of each other Stanza
// that leads to the same data and that a Cluster archives to. A sidecar holds only its own one, and pgBackRest before 2.59
// takes a backup that runs on another host for a leftover.
import { stanzaLease } from "#api/names.ts";
import type { Stanza } from "#api/gen/stanza.ts";
import type { Informer } from "#kube/informer.ts";
import { MutexBusyError, type Mutex } from "#kube/mutex.ts";
import { keyOf, type KubeObject, type ObjectKey } from "#kube/object.ts";
import { stanzaLocations } from "#repository/pgbackrest/location.ts";

export interface StanzaMutexDeps {
  readonly mutexOf: (lease: Required<ObjectKey>) => Mutex;
  /** With `stanzaIndexes`. */
  readonly stanzas: Pick<Informer<Stanza>, "byIndex">;
  /** With `clusterIndexes`. */
  readonly clusters: Pick<Informer<KubeObject>, "byIndex">;
}

export const createStanzaMutexes =
  ({ mutexOf, stanzas, clusters }: StanzaMutexDeps) =>
  (stanza: Stanza): Mutex => {
    const { namespace = "" } = stanza.metadata;
    const isArchivedTo = ({ metadata }: Stanza): boolean =>
      clusters.byIndex("archivesTo", `Stanza/${metadata.namespace}/${metadata.name}`).length > 0;
    return {
      hold(options, work) {
        const others = stanzaLocations(stanza.spec, namespace)
          .flatMap((location) => stanzas.byIndex("location", location))
          .filter(isArchivedTo);
        const leases = new Map([stanza, ...others].map((each) => [keyOf(leaseOf(each)), leaseOf(each)]));
        // In one order for all, so that no two wait for one another.
        const mutexes = [...leases]
          .toSorted(([one], [other]) => (one < other ? -1 : 1))
          .map(([, lease]) => (lease.namespace === namespace ? mutexOf(lease) : unnamed(mutexOf(lease), stanza)));
        return holdAll(mutexes, options, work);
      },
    };
  };

const leaseOf = ({ metadata: { namespace = "", name } }: Stanza): Required<ObjectKey> => ({
  namespace,
  name: stanzaLease(name),
});

function holdAll<T>([first, ...rest]: readonly Mutex[], ...[options, work]: Parameters<Mutex["hold"]>): Promise<T> {
  if (first === undefined) return work(options.signal) as Promise<T>;
  return first.hold(options, (signal) => holdAll<T>(rest, { ...options, signal }, work));
}

/** Of another namespace nothing is told but that it is in use. */
const unnamed = (mutex: Mutex, stanza: Stanza): Mutex => ({
  async hold(options, work) {
    let inside: unknown;
    try {
      return await mutex.hold(options, async (signal) => {
        try {
          return await work(signal);
        } catch (error) {
          inside = error;
          throw error;
        }
      });
    } catch (error) {
      if (error === inside || !(error instanceof MutexBusyError)) throw error;
      throw new MutexBusyError(leaseOf(stanza), "a Cluster of another namespace with the same stanza", undefined);
    }
  },
});

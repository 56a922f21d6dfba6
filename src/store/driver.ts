// What a provider's driver implements: single requests, each of which can be made again after a failure. retry.ts makes
// the ObjectStore of store.ts from one, so that retries, deadlines and the order of parts are written once.
import type { StoreProbe } from "./probe.ts";
import type {
  CallOptions,
  GetOptions,
  ListEntry,
  ListOptions,
  ObjectContent,
  ObjectHead,
  PutOptions,
  WholePutOptions,
} from "./store.ts";

export interface ListPage {
  /** In byte order, and after everything on the pages before. */
  readonly entries: readonly ListEntry[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

export interface PageOptions extends ListOptions {
  /** `next` of the page before. */
  readonly from?: string;
}

/** A body under way in parts, numbered from 1. Nothing is visible under its key before `complete`. */
export interface PartUpload {
  putPart(number: number, body: Uint8Array, options: CallOptions): Promise<void>;
  complete(options: CallOptions): Promise<void>;
  /** Removes what has been stored; no error when nothing is there any more. */
  abort(options: CallOptions): Promise<void>;
}

export interface StoreDriver {
  readonly location: string;
  readonly conditionalPut: boolean;
  readonly probe?: StoreProbe;
  put(key: string, body: Uint8Array, options: WholePutOptions): Promise<void>;
  beginUpload(key: string, options: PutOptions): Promise<PartUpload>;
  get(key: string, options: GetOptions): Promise<ObjectContent>;
  head(key: string, options: CallOptions): Promise<ObjectHead | undefined>;
  listPage(prefix: string, options: PageOptions): Promise<ListPage>;
  /** At most 1000 keys. */
  delete(keys: readonly string[], options: CallOptions): Promise<void>;
  close(): void;
}

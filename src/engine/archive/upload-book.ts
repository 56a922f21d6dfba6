// What is known of one archive's uploads: under way, stored ahead of PostgreSQL's request, acknowledged, refused. Memory
// only; after a restart the archive itself answers (a conditional put of stored content is a success).
import type { WalCompression } from "#codec/compression.ts";
import { isBehind, planLookAhead, type LookAheadPlan } from "./plan.ts";
import type { Fingerprint } from "./wal-file.ts";

/** PostgreSQL reads the marks of up to 64 files at once and renames them after our answers; twice that is remembered. */
const rememberedNamesMax = 128;
/**
 * For how many files other compression suffixes are looked for after a start: an earlier process, ours or barman's, may
 * have stored that many ahead with another compression. Covers a look-ahead of 16 parallel uploads.
 */
const suffixChecksAfterDoubt = 64;

export interface UploadBook {
  readonly inFlight: ReadonlyMap<string, Promise<void>>;
  /** Names waiting for look-ahead, in archive order. */
  ready: readonly string[];
  /** Whether the last call succeeded, so that look-ahead may start before this one has. */
  healthy: boolean;
  begin(name: string, upload: Promise<void>): void;
  /** The upload succeeded; `alreadyStored`: the archive had the same content before. */
  succeed(name: string, fingerprint: Fingerprint, alreadyStored: boolean): void;
  /** The upload failed; a refused name is not tried again before PostgreSQL asks for it. */
  fail(name: string, refused: boolean): void;
  /** PostgreSQL asks for this file: what it has passed is forgotten, what was refused may be tried. */
  ask(name: string): void;
  isStored(name: string, fingerprint: Fingerprint): boolean;
  acknowledge(name: string): void;
  /** Whether other suffixes have to be looked for before storing with this compression. */
  doubtsSuffix(compression: WalCompression): boolean;
  plan(requested: string, slotsUsed: number, maxParallel: number): LookAheadPlan;
}

export function createUploadBook(): UploadBook {
  const inFlight = new Map<string, Promise<void>>();
  const storedAhead = new Map<string, Fingerprint>();
  const acknowledged = new Set<string>();
  const refused = new Set<string>();
  let suffixChecks = suffixChecksAfterDoubt;
  let lastCompression: WalCompression | undefined;

  const isSettled = (name: string): boolean =>
    inFlight.has(name) || storedAhead.has(name) || acknowledged.has(name) || refused.has(name);

  return {
    inFlight,
    ready: [],
    healthy: false,
    begin: (name, upload) => void inFlight.set(name, upload),
    succeed(name, fingerprint, alreadyStored) {
      inFlight.delete(name);
      storedAhead.set(name, fingerprint);
      suffixChecks = alreadyStored ? suffixChecksAfterDoubt : Math.max(0, suffixChecks - 1);
    },
    fail(name, isRefused) {
      inFlight.delete(name);
      // The name has left the list; reading the directory again brings it back.
      if (isRefused) remember(refused, name);
      else this.ready = [];
    },
    ask(name) {
      refused.delete(name);
      for (const stored of storedAhead.keys()) if (isBehind(stored, name)) storedAhead.delete(stored);
    },
    isStored: (name, fingerprint) => storedAhead.get(name) === fingerprint,
    acknowledge(name) {
      storedAhead.delete(name);
      remember(acknowledged, name);
    },
    doubtsSuffix(compression) {
      if (lastCompression !== undefined && lastCompression !== compression) suffixChecks = suffixChecksAfterDoubt;
      lastCompression = compression;
      return suffixChecks > 0;
    },
    plan(requested, slotsUsed, maxParallel) {
      const ahead = new Set([...storedAhead.keys(), ...inFlight.keys()]);
      ahead.delete(requested);
      const state = { requested, ready: this.ready, isSettled, inFlight: slotsUsed, ahead: ahead.size, maxParallel };
      const plan = planLookAhead(state);
      this.ready = plan.ready;
      return plan;
    },
  };
}

function remember(names: Set<string>, name: string): void {
  names.add(name);
  for (const oldest of names) {
    if (names.size <= rememberedNamesMax) return;
    names.delete(oldest);
  }
}

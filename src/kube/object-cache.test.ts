import { describe, expect, it } from "vitest";
import { ObjectCache } from "./object-cache.ts";
import type { KubeObject } from "./object.ts";

interface Note extends KubeObject {
  readonly tags: readonly string[];
}

const note = (name: string, version: string, tags: readonly string[] = [], uid = "u1"): Note => ({
  metadata: { namespace: "n", name, uid, resourceVersion: version },
  tags,
});
const byTag = { tag: (object: Note) => object.tags };
const said = (changes: readonly { type: string; object: Note }[]) =>
  changes.map(({ type, object }) => `${type} ${object.metadata.name} ${object.metadata.uid}`);

describe("the object cache", () => {
  it("tells what changed and keeps silent about what did not", () => {
    const cache = new ObjectCache<Note>();
    expect(said(cache.set(note("a", "1")))).toEqual(["added a u1"]);
    expect(said(cache.set(note("a", "1")))).toEqual([]);
    expect(cache.set(note("a", "2"))).toEqual([{ type: "updated", object: note("a", "2"), previous: note("a", "1") }]);
    expect(said(cache.remove(note("a", "3")))).toEqual(["deleted a u1"]);
    expect(said(cache.remove(note("a", "3")))).toEqual([]);
  });

  it("sees that an object of the same name is another one", () => {
    const cache = new ObjectCache<Note>();
    cache.set(note("a", "1", [], "u1"));
    expect(said(cache.set(note("a", "2", [], "u2")))).toEqual(["deleted a u1", "added a u2"]);
  });

  it("takes what is nested as deeply as the API server takes it: one such object must not keep out all others", () => {
    const cache = new ObjectCache<Note>();
    const deep: unknown = JSON.parse(`${"[".repeat(10_000)}${"]".repeat(10_000)}`);
    cache.replaceAll([{ ...note("a", "1"), deep } as Note, note("b", "1")]);
    expect(cache.list()).toHaveLength(2);
    expect(Object.isFrozen((cache.get({ namespace: "n", name: "a" }) as Note & { deep: unknown[] }).deep[0])).toBe(
      true,
    );
  });

  it("becomes equal to a list, deletions included", () => {
    const cache = new ObjectCache<Note>();
    for (const name of ["a", "b", "c"]) cache.set(note(name, "1"));
    expect(said(cache.replaceAll([note("b", "1"), note("c", "2"), note("d", "1")]))).toEqual([
      "deleted a u1",
      "updated c u1",
      "added d u1",
    ]);
    expect(cache.list().map(({ metadata }) => metadata.name)).toEqual(["b", "c", "d"]);
  });

  it("finds objects by every value of an index, and no longer by those that left", () => {
    const cache = new ObjectCache<Note>(byTag);
    cache.set(note("a", "1", ["x", "y"]));
    cache.set(note("b", "1", ["y"]));
    const names = (tag: string) => cache.byIndex("tag", tag).map(({ metadata }) => metadata.name);
    expect([names("x"), names("y")]).toEqual([["a"], ["a", "b"]]);
    cache.set(note("a", "2", ["z"]));
    cache.remove(note("b", "1"));
    expect([names("x"), names("y"), names("z")]).toEqual([[], [], ["a"]]);
    expect(() => cache.byIndex("size", "1")).toThrow('no index "size"');
  });

  it("shares objects that nobody can change", () => {
    const cache = new ObjectCache<Note>();
    cache.set(note("a", "1", ["x"]));
    const { metadata, tags } = cache.get({ namespace: "n", name: "a" })!;
    expect(() => (tags as string[]).push("y")).toThrow(TypeError);
    expect(() => Object.assign(metadata, { name: "b" })).toThrow(TypeError);
  });
});

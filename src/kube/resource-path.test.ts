import { describe, expect, it } from "vitest";
import { keyOf, parseKey, type Resource } from "./object.ts";
import { collectionPath, objectPath, withQuery } from "./resource-path.ts";

const pods: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };
const archives: Resource = {
  group: "holdfast.dev",
  version: "v1alpha1",
  kind: "Archive",
  plural: "archives",
  namespaced: true,
};
const nodes: Resource = { group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false };

describe("paths", () => {
  it("follow the API's layout for core and named groups", () => {
    expect(collectionPath(pods)).toBe("/api/v1/pods");
    expect(collectionPath(archives, "a")).toBe("/apis/holdfast.dev/v1alpha1/namespaces/a/archives");
    expect(objectPath(archives, { namespace: "a", name: "b" }, "status")).toBe(
      "/apis/holdfast.dev/v1alpha1/namespaces/a/archives/b/status",
    );
    expect(objectPath(nodes, { name: "n" })).toBe("/api/v1/nodes/n");
  });

  it("cannot be led astray by a name", () => {
    expect(objectPath(nodes, { name: "../pods?x=1" })).toBe("/api/v1/nodes/..%2Fpods%3Fx%3D1");
  });

  it("carry only the parameters that are set", () => {
    expect(withQuery("/x", { labelSelector: "a=b,c", watch: true, limit: undefined })).toBe(
      "/x?labelSelector=a%3Db%2Cc&watch=true",
    );
    expect(withQuery("/x", {})).toBe("/x");
  });
});

describe("keys", () => {
  it.each([{ name: "n" }, { namespace: "a", name: "n" }])("survive their text form: %o", (key) => {
    expect(parseKey(keyOf(key))).toEqual(key);
  });
});

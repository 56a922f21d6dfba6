import { describe, expect, it } from "vitest";
import { answer, describeFinding, type AdmissionRequest } from "./review.ts";

const request: AdmissionRequest = {
  uid: "u",
  operation: "CREATE",
  resource: "objectstores.holdfast.dev",
  group: "holdfast.dev",
  kind: "ObjectStore",
  namespace: "default",
  name: "minio",
  object: {},
};
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
const problem = (field: string) => ({ field, message: "wrong", hint: "right" });
const responseTo = (problems: Parameters<typeof answer>[1]["problems"], asked = request, warnings: string[] = []) =>
  (answer(asked, { problems, warnings }) as { response: Record<string, unknown> & { status: Record<string, unknown> } })
    .response;

describe("the answer", () => {
  it("is the message alone when one thing is wrong, and a line each, sorted, when several are", () => {
    expect(responseTo([problem("spec.a")]).status["message"]).toBe("spec.a: wrong (right)");
    expect(responseTo([problem("spec.b"), problem("spec.a"), problem("spec.b")]).status["message"]).toBe(
      "\nspec.a: wrong (right)\nspec.b: wrong (right)",
    );
  });

  it("tells of more problems than anybody reads only that there are more", () => {
    const { status } = responseTo(many(5_000, (n) => problem(`spec.f${n}`)));
    expect(String(status["message"])).toMatch(/\nand 4960 more$/);
    expect((status["details"] as { causes: unknown[] }).causes).toHaveLength(40);
  });

  it("calls a refused deletion forbidden, for there is nothing that could be invalid", () => {
    const { status } = responseTo([problem("metadata.name")], { ...request, operation: "DELETE" });
    expect(status).toMatchObject({ reason: "Forbidden", code: 403 });
    expect(status["details"]).toBeUndefined();
  });

  it("warns as briefly as the API server passes it on, also where letters take several bytes", () => {
    const { warnings } = responseTo([], request, ["ü".repeat(400), "once", "once", ...many(50, (n) => `w${n}`)]);
    const told = warnings as string[];
    expect(told).toHaveLength(20);
    expect(told.filter((text) => text === "once")).toHaveLength(1);
    expect(Buffer.byteLength(told[0] ?? "")).toBeLessThanOrEqual(256);
    expect(told[0]).toMatch(/^ü+…$/);
  });

  it("cuts a field that is longer than its message may be", () => {
    expect(Buffer.byteLength(describeFinding(problem("x".repeat(100_000))))).toBeLessThanOrEqual(600);
  });
});

import { expect, it } from "vitest";
import { searchListOf } from "./search-list.ts";

it.each([
  [
    "the cluster's own domain",
    "nameserver 10.96.0.10\nsearch cnpg-system.svc.k8s.example svc.k8s.example k8s.example corp\n",
    "k8s.example",
  ],
  ["the usual domain, when nothing tells", "nameserver 127.0.0.1\n", "cluster.local"],
  ["the usual domain, outside of a cluster", "search corp.example\n", "cluster.local"],
])("a pod of another namespace looks in %s", (_, file, domain) => {
  expect(searchListOf("db", file)).toBe(`db.svc.${domain} svc.${domain} ${domain}`);
});

// Where a pod of another namespace looks for a host name without dots: for glibc's resolver, whose variable LOCALDOMAIN takes
// the place of `search` in resolv.conf(5). Pure.

/** `resolverFile`: this pod's own, which tells the domain of the cluster: "search ns.svc.cluster.local svc.cluster.local …". */
export function searchListOf(namespace: string, resolverFile: string): string {
  const entries = resolverFile.split("\n").findLast((line) => /^search\s/.test(line)) ?? "";
  const domain = /\s(svc\.\S+)/.exec(entries)?.[1] ?? "svc.cluster.local";
  return [`${namespace}.${domain}`, domain, domain.slice("svc.".length)].join(" ");
}

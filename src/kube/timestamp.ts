// Times as Kubernetes writes them into objects: in whole seconds.

/** "2026-11-21T09:15:00Z" */
export const timestamp = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

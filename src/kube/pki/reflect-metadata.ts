// @peculiar/x509 uses tsyringe, which refuses to load without the calls of the package reflect-metadata. No class that
// x509 registers there takes constructor parameters, so "there is no metadata" is the right answer to each of them.

const absent = (): undefined => undefined;

/** To be called before @peculiar/x509 is imported. A real implementation that is already there stays. */
export function provideReflectMetadata(): void {
  if ("getMetadata" in Reflect) return;
  Object.assign(Reflect, { getMetadata: absent, getOwnMetadata: absent, defineMetadata: absent });
}

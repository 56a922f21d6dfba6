// What the preflight of a store says, in the words of a Stanza: the same is written in other fields there. Pure.

const fields: readonly (readonly [ofObjectStore: string, ofStanza: string])[] = [
  ["create the bucket or correct destinationPath", "create it or write another in bucket"],
  ["s3Credentials.region", "region"],
  ["endpointURL", "endpoint"],
  // Without keys pgBackRest asks the instance metadata of EC2, and no service account.
  ["the pod has no role to inherit: give its service account one, or use keys", "name keys in secretRef"],
];

export const inStanzaWords = (message: string): string =>
  fields.reduce((said, [from, to]) => said.replaceAll(from, to), message);

const KNOWN: ReadonlyMap<string, string> = new Map([
  ['letsencrypt', 'https://acme-v02.api.letsencrypt.org/directory'],
  ['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory'],
])

/** The address of an ACME directory given by name or by URL; undefined where it is neither. */
export const directoryUrl = (directory: string): string | undefined =>
  KNOWN.get(directory) ?? (URL.canParse(directory) && new URL(directory).protocol === 'https:' ? new URL(directory).href : undefined)

/** The one name of a directory, whichever way it was written: `letsencrypt` for its URL as well. */
export const directoryName = (url: string): string => [...KNOWN].find(([, known]) => known === url)?.[0] ?? url

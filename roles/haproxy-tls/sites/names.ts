import { z } from 'provision'

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

/** An option that is a full host name, or a wildcard where they are allowed. */
export const hostName = (wildcard: boolean) =>
  z
    .string()
    .toLowerCase()
    .max(253)
    .regex(
      new RegExp(`^${wildcard ? '(\\*\\.)?' : ''}(${label}\\.)+[a-z0-9-]{2,63}$`),
      wildcard ? 'must be a full host name such as www.example.org, or *.example.org' : 'must be a full host name such as www.example.org',
    )

export const isWildcard = (name: string): boolean => name.startsWith('*.')

/** Regular expression of a wildcard, which stands for one label, as in a certificate (RFC 6125, 6.4.3). */
export const wildcardRegex = (wildcard: string): string => `^[^.]+${wildcard.slice(1).replaceAll('.', '[.]')}$`

/** Whether a name or a wildcard stands for this name. A wildcard stands for one label. */
export const isCovered = (name: string, by: readonly string[]): boolean =>
  by.some((one) => one === name || (isWildcard(one) && !isWildcard(name) && name.slice(name.indexOf('.')) === one.slice(1)))

/** A host name for which a site answers: the first full name, or one that the first wildcard covers. */
export const someName = (names: readonly string[]): string =>
  names.find((name) => !isWildcard(name) && !name.includes(':')) ?? names[0]?.replace('*', 'any') ?? 'localhost'

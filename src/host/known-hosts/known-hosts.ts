import { createHash, createHmac } from 'node:crypto'
import { shownName, shownText } from '../../shown-name.ts'
import type { Connection } from '../target/connection.ts'

/** One line of a known_hosts file. */
export interface KnownHost {
  readonly file: string
  readonly line: number
  readonly revoked: boolean
  /** Patterns as written, or a hashed name. */
  readonly names: string
  readonly type: string
  /** base64 */
  readonly key: string
}

/** A line that is ignored, and why. */
export interface IgnoredLine {
  readonly file: string
  readonly line: number
  readonly why: string
}

/** The authorities (`@cert-authority`) whose certificates are valid for a host. Only OpenSSH can check them. */
export const authoritiesFor = (authorities: readonly KnownHost[], name: string): readonly KnownHost[] => entriesFor(authorities, name)

/** Parses a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export const parseKnownHosts = (file: string, text: string): { entries: KnownHost[]; authorities: KnownHost[]; ignored: IgnoredLine[] } => {
  const entries: KnownHost[] = []
  const authorities: KnownHost[] = []
  const ignored: IgnoredLine[] = []
  for (const [index, written] of text.split('\n').entries()) {
    const place = { file, line: index + 1 }
    const words = written.trim().split(/[ \t]+/)
    if (words[0] === '' || words[0]?.startsWith('#')) continue
    const marker = words[0]?.startsWith('@') ? words.shift() : undefined
    const [names = '', type = '', key] = words
    if (marker !== undefined && marker !== '@revoked' && marker !== '@cert-authority')
      ignored.push({ ...place, why: `unknown marker ${shownText(marker)}` })
    else if (key === undefined) ignored.push({ ...place, why: 'not a known_hosts line' })
    else if (typeOf(Buffer.from(key, 'base64')) !== type) ignored.push({ ...place, why: `not a key of type ${shownName(type)}` })
    else (marker === '@cert-authority' ? authorities : entries).push({ ...place, revoked: marker === '@revoked', names, type, key })
  }
  return { entries, authorities, ignored }
}

/** The name of a host in known_hosts: its alias or else its address, with the port unless that is 22. */
export const knownName = ({ address, port, hostKeyAlias }: Pick<Connection, 'address' | 'port' | 'hostKeyAlias'>): string =>
  (hostKeyAlias ?? (port === 22 ? address : `[${address}]:${port}`)).toLowerCase()

/** A host key that a host presents. */
export interface PresentedKey {
  readonly type: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** Type and fingerprint of a key in SSH's wire format. */
export const presentedKey = (key: Buffer): PresentedKey => ({ type: typeOf(key) ?? '', fingerprint: fingerprint(key) })

/** The status of a presented host key by the known_hosts files. */
export type HostKeyStatus =
  | { readonly status: 'known' }
  /** No line is about this host. */
  | { readonly status: 'unknown' }
  /** The lines of this host have keys of other types only. */
  | { readonly status: 'other type'; readonly entry: KnownHost }
  | { readonly status: 'changed'; readonly entry: KnownHost }
  | { readonly status: 'revoked'; readonly entry: KnownHost }

/** Compares a presented host key with the entries of a host. */
export const statusOfKey = (entries: readonly KnownHost[], name: string, key: PresentedKey): HostKeyStatus => {
  const mine = entriesFor(entries, name)
  const same = (entry: KnownHost): boolean => fingerprint(Buffer.from(entry.key, 'base64')) === key.fingerprint
  const revoked = mine.find((entry) => entry.revoked && same(entry))
  if (revoked) return { status: 'revoked', entry: revoked }
  const valid = mine.filter((entry) => !entry.revoked)
  if (valid.some(same)) return { status: 'known' }
  const changed = valid.find((entry) => entry.type === key.type)
  if (changed) return { status: 'changed', entry: changed }
  return valid[0] ? { status: 'other type', entry: valid[0] } : { status: 'unknown' }
}

/** The types of a host's known keys, in the order of the files. */
export const knownTypes = (entries: readonly KnownHost[], name: string): string[] =>
  entriesFor(entries, name)
    .filter((entry) => !entry.revoked)
    .map(({ type }) => type)

/** Type of a public key in SSH's wire format: its first string. Undefined for anything else. */
export const typeOf = (key: Buffer): string | undefined => {
  const length = Number.parseInt(key.toString('hex', 0, 4), 16) || 0
  return length === 0 || key.length < 4 + length ? undefined : key.toString('latin1', 4, 4 + length)
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export const fingerprint = (key: Buffer): string => `SHA256:${createHash('sha256').update(key).digest('base64').replace('=', '')}`

const entriesFor = (entries: readonly KnownHost[], name: string): KnownHost[] => entries.filter(({ names }) => matches(names, name))

const matches = (names: string, name: string): boolean => {
  const hashed = /^\|1\|(?<salt>[^|]+)\|(?<digest>[^|]+)$/.exec(names)?.groups
  if (hashed)
    return createHmac('sha1', Buffer.from(hashed.salt ?? '', 'base64'))
      .update(name)
      .digest()
      .equals(Buffer.from(hashed.digest ?? '', 'base64'))
  const patterns = names.toLowerCase().split(',')
  const fits = (pattern: string): boolean => globMatches(pattern, name)
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false
  return patterns.some(fits)
}

// Only * and ? are wildcards. Brackets are literal, as in [host]:2222.
const globMatches = (pattern: string, name: string): boolean => {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name)
}

import type { MeshMember, MeshSpec } from './spec.ts'

/** Sections of the file of peers, by host. */
export type Peers = ReadonlyMap<string, string>

const HEAD = '# Written by provision.\n'

/** Reads the sections of a file of peers. Each begins with a comment that has the name of the host. */
export const readPeers = (text: string): Peers => {
  const sections = text.split(/^(?=# \S+$)/m).filter((section) => /^# \S+\n/.test(section))
  return new Map(sections.map((section) => [section.slice(2, section.indexOf('\n')), section]))
}

export const writePeers = (peers: Peers): string =>
  `${HEAD}${[...peers]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, section]) => section)
    .join('')}`

/** Returns the section of a member in the files of the others. */
export const sectionOf = ({ host, endpoint, addresses }: MeshMember, publicKey: string, keepalive: number): string => `# ${host}
[Peer]
PublicKey = ${publicKey}
Endpoint = ${endpoint}
AllowedIPs = ${addresses.join(', ')}
${keepalive === 0 ? '' : `PersistentKeepalive = ${keepalive}\n`}`

/**
 * Returns the peers of this host. A member whose key is unknown, because it was not reached or has none yet, keeps the section that it has.
 */
export const wantedPeers = (spec: MeshSpec, keyOf: (host: string) => string | undefined, current: Peers): Peers =>
  new Map(
    spec.members
      .filter(({ host }) => host !== spec.me)
      .flatMap((member): readonly (readonly [string, string])[] => {
        const key = keyOf(member.host)
        const section = key === undefined ? current.get(member.host) : sectionOf(member, key, spec.keepalive)
        return section === undefined ? [] : [[member.host, section]]
      }),
  )

/** The keys that several hosts report: one of them may pass off the key of another as its own, or was copied from it. */
export const repeatedKeys = (keys: ReadonlyMap<string, string | undefined>): ReadonlySet<string> => {
  const all = [...keys.values()].filter((key) => key !== undefined)
  return new Set([...Map.groupBy(all, (key) => key)].flatMap(([key, same]) => (same.length > 1 ? [key] : [])))
}

/** Whether this is a public key: 32 bytes in base64. */
export const isPublicKey = (text: string | undefined): text is string =>
  text !== undefined && /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)

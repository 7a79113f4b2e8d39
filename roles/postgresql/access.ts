import type { HostView } from 'provision'
import type { Options, User } from './options.ts'
import { REPLICATION } from './replication.ts'

/** Databases that a user may connect to: those that it owns or has a grant in, also as a member of other users. */
export const databasesOf = (user: User, { users, databases }: Pick<Options, 'users' | 'databases'>): readonly string[] => {
  const names = new Set<string>([user.name])
  // A set also visits what is added to it meanwhile.
  for (const name of names) for (const one of users.find((other) => other.name === name)?.member_of ?? []) names.add(one)
  const granted = new Set(users.filter(({ name }) => names.has(name)).flatMap(({ grants }) => grants.map(({ database }) => database)))
  const seesAll = [...names].some((name) => name.startsWith('pg_'))
  return databases
    .filter(({ name, owner, state }) => state === 'present' && (seesAll || names.has(owner) || granted.has(name)))
    .map(({ name }) => name)
}

/** An address or a network in the words of `pg_hba.conf`. */
const networkOf = (given: string): string => (given.includes('/') ? given : `${given}/${given.includes(':') ? 128 : 32}`)

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(',')

/** Content of `pg_hba.conf`. It refuses every connection that no line permits: without TLS, of other users, to other databases. `others` are the other servers. */
export const accessFile = (given: Options, clients: readonly HostView[], others: readonly HostView[] = []): string => {
  const peers = ['127.0.0.1', ...clients.flatMap(({ addresses, publicAddresses }) => [...addresses, ...publicAddresses]), ...given.networks]
  const networks = [...new Set(peers.map(networkOf))]
  const lines = given.users
    .filter(({ state, login }) => state === 'present' && login)
    .flatMap((user) => {
      const databases = databasesOf(user, given)
      if (databases.length === 0) return []
      const who = `${quoted(databases)} ${quoted([user.name])}`
      return user.socket ? [`local ${who} peer`] : networks.map((one) => `hostssl ${who} ${one} scram-sha-256`)
    })
  return [
    '# Written by provision.',
    'local all postgres peer',
    ...(given.metrics ? ['local postgres prometheus peer'] : []),
    ...others.flatMap(({ addresses }) => addresses.map((one) => `hostssl replication "${REPLICATION}" ${networkOf(one)} cert map=replica`)),
    ...lines,
    '',
  ].join('\n')
}

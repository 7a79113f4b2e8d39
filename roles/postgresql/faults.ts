import { isReplicatedServer, postgresqlDatabase, postgresqlExtension, postgresqlRole, replicatedMembers, type SiteContext } from 'provision'
import { databaseInput, ordered, roleInput } from './contents.ts'
import type { Options } from './options.ts'

type Fault = { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }

/** Invalid options, found before any host is asked. */
export const faultsOf = ({ options: given, host, site }: SiteContext<Options>): readonly Fault[] => [
  ...memberFaults({ options: given, host, site }),
  ...repeated(given, 'databases'),
  ...repeated(given, 'users'),
  ...referenceFaults(given),
  ...kindFaults(given),
  ...orderFaults(given),
]

const memberFaults = ({ options: given, host, site }: Pick<SiteContext<Options>, 'options' | 'host' | 'site'>): readonly Fault[] => {
  const servers = site.group(given.servers)
  if (servers.length === 0)
    return [{ path: ['servers'], what: `group ${given.servers} has no hosts`, fix: 'set `servers` to the group of the servers' }]
  const { primary } = replicatedMembers(given, site)
  const names = servers.map(({ name }) => name)
  const unknown = given.discard_data_of.findIndex((one) => !names.includes(one) || one === primary?.name)
  if (primary === undefined)
    return [
      {
        path: ['primary'],
        what: `${given.primary} is not a server (group ${given.servers})`,
        fix: `name one of ${names.join(', ')}`,
      },
    ]
  if (unknown >= 0)
    return [
      {
        path: ['discard_data_of', unknown],
        what: `${given.discard_data_of[unknown]} is not a replica`,
        fix: 'remove it, or correct the name',
      },
    ]
  return isReplicatedServer(given, site, host) || replicatedMembers(given, site).clients.some(({ name }) => name === host.name)
    ? []
    : [
        {
          path: ['servers'],
          what: `${host.name} is in none of the groups ${[given.servers, ...given.clients].join(', ')}`,
          fix: 'bind the role to these groups only, or add the host to one of them',
        },
      ]
}

const repeated = (given: Options, list: 'databases' | 'users'): readonly Fault[] => {
  const names = given[list].map(({ name }) => name)
  return names.flatMap((name, i) =>
    names.indexOf(name) < i
      ? [{ path: [list, i, 'name'], what: `${name} is listed twice in \`${list}\``, fix: 'remove one of the two' }]
      : [],
  )
}

/** Names that no other option declares. */
const referenceFaults = ({ users, databases }: Options): readonly Fault[] => {
  const present = (list: readonly { name: string; state: string }[]) =>
    new Set(list.filter(({ state }) => state === 'present').map(({ name }) => name))
  const [allUsers, allDatabases] = [present(users), present(databases)]
  const unknown = (path: readonly PropertyKey[], what: string, list: 'users' | 'databases'): Fault => ({
    ...{ path, what: `${what}, which \`${list}\` does not have` },
    fix: `correct the name, or add it to \`${list}\``,
  })
  const isUser = (name: string): boolean => allUsers.has(name)
  return [
    ...databases.flatMap(({ name, owner, state }, i) =>
      state === 'absent' || owner === 'postgres' || isUser(owner)
        ? []
        : [unknown(['databases', i, 'owner'], `the owner of ${name} is ${owner}`, 'users')],
    ),
    ...users.flatMap(({ name, state, member_of, grants }, i) =>
      state === 'absent'
        ? []
        : [
            ...member_of.flatMap((one, j) =>
              one.startsWith('pg_') || isUser(one) ? [] : [unknown(['users', i, 'member_of', j], `${name} is a member of ${one}`, 'users')],
            ),
            ...grants.flatMap(({ database, created_by: creator }, j) => [
              ...(allDatabases.has(database)
                ? []
                : [unknown(['users', i, 'grants', j, 'database'], `${name} has a grant in ${database}`, 'databases')]),
              ...(creator === undefined || isUser(creator)
                ? []
                : [unknown(['users', i, 'grants', j, 'created_by'], `${name} has a grant on tables of ${creator}`, 'users')]),
            ]),
          ],
    ),
  ]
}

interface Checked {
  readonly error?: {
    readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string; readonly code: string }[]
  }
}

/** Faults that the kinds of the resources find. */
const kindFaults = ({ users, databases }: Options): readonly Fault[] => {
  const faults = (at: readonly PropertyKey[], of: string, { error }: Checked): readonly Fault[] =>
    (error?.issues ?? []).map((issue) => ({
      path: [...at, ...issue.path.map((key) => SNAKE[String(key)] ?? key)],
      what: `${of}: ${issue.path.findLast((key) => typeof key === 'string') ?? 'name'} ${issue.message}`,
      fix: 'params' in issue ? fixOf(issue.params) : 'correct it',
    }))
  return [
    ...users.flatMap((user, i) => faults(['users', i], `the user ${user.name}`, postgresqlRole.kind.schema.safeParse(roleInput(user)))),
    ...databases.flatMap((database, i) => [
      ...faults(['databases', i], `the database ${database.name}`, postgresqlDatabase.kind.schema.safeParse(databaseInput(database))),
      ...database.extensions.flatMap((extension, j) =>
        faults(
          ['databases', i, 'extensions', j],
          `the extension ${extension.name}`,
          postgresqlExtension.kind.schema.safeParse({ ...extension, database: database.name }),
        ),
      ),
    ]),
  ]
}

/** Options of the kinds that have another name here. */
const SNAKE: Readonly<Record<string, string>> = {
  ...{ createdBy: 'created_by', memberOf: 'member_of', connectionLimit: 'connection_limit', loseAllRows: 'lose_all_rows' },
}

const fixOf = (params: unknown): string =>
  typeof params === 'object' && params !== null && 'fix' in params && typeof params.fix === 'string' ? params.fix : 'correct it'

const orderFaults = (given: Options): readonly Fault[] => {
  const { stuck } = ordered(given)
  const owners = given.users.flatMap(({ name }, i) => (stuck.some((one) => one.name === `user ${name}`) ? [i] : []))
  return stuck.length === 0
    ? []
    : [
        {
          path: owners[0] === undefined ? ['users'] : ['users', owners[0]],
          what: `${stuck.map(({ name }) => name).join(', ')} need each other`,
          fix: 'remove a grant of an owner in its own database, where it has all privileges, or a membership that leads back to the user',
        },
      ]
}

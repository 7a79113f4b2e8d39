import { postgresqlDatabase, postgresqlExtension, postgresqlRole, type Resource } from 'provision'
import type { Database, Options, User } from './options.ts'
import { REPLICATION } from './replication.ts'

type RoleInput = Parameters<typeof postgresqlRole>[0]
type DatabaseInput = Parameters<typeof postgresqlDatabase>[0]

/** A user in the words of the kind. */
export const roleInput = ({ name, state, password, login, connection_limit, member_of, grants }: User): RoleInput => ({
  ...{ name, state, login, connectionLimit: connection_limit, memberOf: member_of },
  ...(password !== undefined && { password }),
  grants: grants.map(({ created_by, ...grant }) => ({ ...grant, ...(created_by !== undefined && { createdBy: created_by }) })),
})

/** A database in the words of the kind. */
export const databaseInput = ({ name, owner, encoding, collation, connection_limit, state, lose_all_rows }: Database): DatabaseInput => ({
  ...{ name, owner, encoding, collation, connectionLimit: connection_limit, state, loseAllRows: lose_all_rows },
})

interface Item {
  readonly name: string
  readonly needs: readonly string[]
  readonly resources: (cluster: string) => readonly Resource[]
}

const userItem = (user: User): Item => ({
  name: `user ${user.name}`,
  needs: [
    ...user.grants.map(({ database }) => `database ${database}`),
    ...user.member_of.map((one) => `user ${one}`),
    ...user.grants.flatMap(({ created_by: one }) => (one === undefined || one === user.name ? [] : [`user ${one}`])),
  ],
  resources: (cluster) => [postgresqlRole({ ...roleInput(user), cluster })],
})

const databaseItem = (database: Database): Item => ({
  name: `database ${database.name}`,
  needs: [`user ${database.owner}`],
  resources: (cluster) => [
    postgresqlDatabase({ ...databaseInput(database), cluster }),
    ...database.extensions.map((extension) => postgresqlExtension({ ...extension, database: database.name, cluster })),
  ],
})

const isPresent = ({ state }: User | Database): boolean => state === 'present'

/** Users and databases, each after those that it needs; `stuck`: those that need each other. */
export const ordered = ({ users, databases }: Pick<Options, 'users' | 'databases'>): { ready: readonly Item[]; stuck: readonly Item[] } => {
  const items = [...users.filter(isPresent).map(userItem), ...databases.filter(isPresent).map(databaseItem)]
  const ready: Item[] = []
  let waiting = items
  for (;;) {
    const names = new Set(waiting.map(({ name }) => name))
    const next = waiting.filter(({ needs }) => needs.every((one) => !names.has(one)))
    if (next.length === 0) return { ready, stuck: waiting }
    ready.push(...next)
    waiting = waiting.filter((one) => !next.includes(one))
  }
}

/** Databases, extensions and users. A database is deleted before its owner. */
export const contents = (given: Options, cluster: string, hasReplicas: boolean): readonly Resource[] => [
  ...(hasReplicas ? [postgresqlRole({ name: REPLICATION, replication: true, cluster })] : []),
  ...(given.metrics ? [postgresqlRole({ name: 'prometheus', memberOf: ['pg_monitor'], cluster })] : []),
  ...ordered(given).ready.flatMap(({ resources }) => resources(cluster)),
  ...given.databases.filter((one) => !isPresent(one)).map((one) => postgresqlDatabase({ ...databaseInput(one), cluster })),
  ...given.users.filter((one) => !isPresent(one)).map((one) => postgresqlRole({ ...roleInput({ ...one, grants: [] }), cluster })),
]

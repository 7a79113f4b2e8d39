/** Privileges on one table, in MariaDB 10.11. */
const OF_TABLE = [
  'ALTER',
  'CREATE',
  'CREATE VIEW',
  'DELETE',
  'DELETE HISTORY',
  'DROP',
  'INDEX',
  'INSERT',
  'REFERENCES',
  'SELECT',
  'SHOW VIEW',
  'TRIGGER',
  'UPDATE',
]

const OF_DATABASE = [...OF_TABLE, 'ALTER ROUTINE', 'CREATE ROUTINE', 'CREATE TEMPORARY TABLES', 'EVENT', 'EXECUTE', 'LOCK TABLES'].sort()

const OF_SERVER = [
  ...OF_DATABASE,
  'BINLOG ADMIN',
  'BINLOG MONITOR',
  'BINLOG REPLAY',
  'CONNECTION ADMIN',
  'CREATE TABLESPACE',
  'CREATE USER',
  'FEDERATED ADMIN',
  'FILE',
  'PROCESS',
  'READ_ONLY ADMIN',
  'RELOAD',
  'REPLICATION MASTER ADMIN',
  'REPLICATION SLAVE',
  'REPLICATION SLAVE ADMIN',
  'SET USER',
  'SHOW DATABASES',
  'SHUTDOWN',
  'SLAVE MONITOR',
  'SUPER',
].sort()

/** A privilege in the server's own words. */
export const privilegeName = (written: string): string => {
  const name = written.toUpperCase()
  return name === 'ALL PRIVILEGES' ? 'ALL' : name
}

/** Privileges that an account can have on a target: `*.*`, `shop.*` or `shop.orders`. */
const grantable = (on: string): readonly string[] => {
  if (on === '*.*') return OF_SERVER
  return on.endsWith('.*') ? OF_DATABASE : OF_TABLE
}

/** The privileges of a grant, sorted. `ALL` on a database or a table stands for every privilege on it. */
export const expanded = (on: string, privileges: readonly string[]): readonly string[] => {
  const names = privileges.map(privilegeName)
  return [...new Set(names.includes('ALL') ? grantable(on === '*.*' ? '.*' : on) : names)].sort()
}

/** Why an account cannot have a privilege on a target, and what to write instead; undefined if it can. */
export const privilegeFault = (on: string, written: string): { readonly message: string; readonly fix: string } | undefined => {
  const name = privilegeName(written)
  if (name === 'ALL' || grantable(on).includes(name)) return undefined
  if (name === 'USAGE')
    return { message: 'grants nothing: every account may log in', fix: 'remove it; for an account that may only log in, remove the grant' }
  const target = on.endsWith('.*') ? 'a database' : 'a table'
  const database = on.slice(0, on.indexOf('.'))
  if (!on.endsWith('.*') && OF_DATABASE.includes(name))
    return {
      message: `is a privilege on databases, and ${on} is a table`,
      fix: `grant it on ${database}.*, or write privileges of a table: ALL (every privilege of a table), ${OF_TABLE.join(', ')}`,
    }
  if (OF_SERVER.includes(name))
    return {
      message: `is a privilege on the whole server, and ${on} is ${target}`,
      fix: `write privileges of ${target}: ALL, ${grantable(on).join(', ')}`,
    }
  return { message: 'is not a privilege', fix: `write privileges of ${target}: ALL, ${grantable(on).join(', ')}` }
}

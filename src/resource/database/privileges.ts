import type { Flavour } from './flavour.ts'

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

/** Privileges on the whole server, in MariaDB 10.11. */
export const MARIADB_PRIVILEGES = [
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

/** Privileges on one table, in MySQL 8.4: those of MariaDB without versions of rows. */
const OF_MYSQL_TABLE = OF_TABLE.filter((name) => name !== 'DELETE HISTORY')
const OF_MYSQL_DATABASE = OF_DATABASE.filter((name) => name !== 'DELETE HISTORY')

/** Privileges on the whole server, in MySQL 8.4. Those with underscores are its dynamic privileges. */
const OF_MYSQL = [
  ...OF_MYSQL_DATABASE,
  'BACKUP_ADMIN',
  'BINLOG_ADMIN',
  'CLONE_ADMIN',
  'CONNECTION_ADMIN',
  'CREATE ROLE',
  'CREATE TABLESPACE',
  'CREATE USER',
  'DROP ROLE',
  'FILE',
  'FLUSH_STATUS',
  'FLUSH_TABLES',
  'PERSIST_RO_VARIABLES_ADMIN',
  'PROCESS',
  'RELOAD',
  'REPLICATION CLIENT',
  'REPLICATION SLAVE',
  'REPLICATION_APPLIER',
  'REPLICATION_SLAVE_ADMIN',
  'ROLE_ADMIN',
  'SET_ANY_DEFINER',
  'SHOW DATABASES',
  'SHOW_ROUTINE',
  'SHUTDOWN',
  'SUPER',
  'SYSTEM_USER',
  'SYSTEM_VARIABLES_ADMIN',
  'XA_RECOVER_ADMIN',
].sort()

const OF: Readonly<
  Record<Flavour, { readonly server: readonly string[]; readonly database: readonly string[]; readonly table: readonly string[] }>
> = {
  mariadb: { server: MARIADB_PRIVILEGES, database: OF_DATABASE, table: OF_TABLE },
  mysql: { server: OF_MYSQL, database: OF_MYSQL_DATABASE, table: OF_MYSQL_TABLE },
}

/** Other words that MariaDB accepts for a privilege, and the name by which it stores it. */
const MARIADB_WORDS: Readonly<Record<string, string>> = {
  'REPLICA MONITOR': 'SLAVE MONITOR',
  'REPLICATION CLIENT': 'BINLOG MONITOR',
  'REPLICATION REPLICA': 'REPLICATION SLAVE',
  'REPLICATION REPLICA ADMIN': 'REPLICATION SLAVE ADMIN',
}

/** A privilege in the server's own words. */
export const privilegeName = (written: string, flavour: Flavour = 'mariadb'): string => {
  const name = written.toUpperCase()
  if (name === 'ALL PRIVILEGES') return 'ALL'
  return (flavour === 'mariadb' ? MARIADB_WORDS[name] : undefined) ?? name
}

/** Privileges that an account can have on a target: `*.*`, `shop.*` or `shop.orders`. */
const grantable = (on: string, flavour: Flavour): readonly string[] => {
  const { server, database, table } = OF[flavour]
  if (on === '*.*') return server
  return on.endsWith('.*') ? database : table
}

/** The privileges of a grant, sorted. `ALL` on a database or a table stands for every privilege on it. */
export const expanded = (on: string, privileges: readonly string[], flavour: Flavour = 'mariadb'): readonly string[] => {
  const names = privileges.map((one) => privilegeName(one, flavour))
  const all = names.includes('ALL') ? grantable(on === '*.*' ? '.*' : on, flavour) : []
  return [...new Set([...all, ...names.filter((name) => name !== 'ALL')])].sort()
}

/** Why an account cannot have a privilege on a target, and what to write instead; undefined if it can. */
export const privilegeFault = (
  on: string,
  written: string,
  flavour: Flavour = 'mariadb',
): { readonly message: string; readonly fix: string } | undefined => {
  const name = privilegeName(written, flavour)
  const all = grantable(on, flavour)
  if (name === 'ALL' || all.includes(name)) return undefined
  if (name === 'USAGE')
    return { message: 'grants nothing: every account may log in', fix: 'remove it; for an account that may only log in, remove the grant' }
  if (name === 'GRANT OPTION')
    return {
      message: 'lets the account grant its privileges to others, and the accounts then differ from the inventory',
      fix: 'remove it, and declare the other accounts in the inventory',
    }
  const target = on === '*.*' ? 'the whole server' : on.endsWith('.*') ? 'a database' : 'a table'
  const database = on.slice(0, on.indexOf('.'))
  if (!on.endsWith('.*') && OF[flavour].database.includes(name))
    return {
      message: `is a privilege on databases, and ${on} is a table`,
      fix: `grant it on ${database}.*, or write privileges of a table: ALL (every privilege of a table), ${OF[flavour].table.join(', ')}`,
    }
  if (OF[flavour].server.includes(name))
    return {
      message: `is a privilege on the whole server, and ${on} is ${target}`,
      fix: `write privileges of ${target}: ALL, ${all.join(', ')}`,
    }
  return { message: 'is not a privilege', fix: `write privileges of ${target}: ALL, ${all.join(', ')}` }
}

/** Privileges on the whole server that show its state or its names but no rows, and that lead to no other privilege. */
const HARMLESS: Readonly<Record<Flavour, readonly string[]>> = {
  mariadb: ['BINLOG MONITOR', 'PROCESS', 'RELOAD', 'SHOW DATABASES', 'SHOW VIEW', 'SLAVE MONITOR'],
  mysql: ['FLUSH_STATUS', 'FLUSH_TABLES', 'PROCESS', 'RELOAD', 'REPLICATION CLIENT', 'SHOW DATABASES', 'SHOW VIEW'],
}

/** Why a privilege needs the word `administrator`; undefined if it does not. */
export const administratorFault = (
  on: string,
  written: string,
  flavour: Flavour = 'mariadb',
): { readonly message: string; readonly fix: string } | undefined =>
  on !== '*.*' || HARMLESS[flavour].includes(privilegeName(written, flavour))
    ? undefined
    : {
        message: 'on *.* includes the accounts of the server, or leads to them: the account can read or change everything',
        fix: `write privileges without that effect (${HARMLESS[flavour].join(', ')}), grant it on a database, or set \`administrator: true\``,
      }

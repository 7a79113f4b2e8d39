/** What a privilege is granted on. */
export type Target = 'database' | 'schema' | 'tables' | 'sequences'

const PRIVILEGES: Readonly<Record<Target, readonly string[]>> = {
  database: ['CONNECT', 'CREATE', 'TEMPORARY'],
  schema: ['CREATE', 'USAGE'],
  tables: ['DELETE', 'INSERT', 'REFERENCES', 'SELECT', 'TRIGGER', 'TRUNCATE', 'UPDATE'],
  sequences: ['SELECT', 'UPDATE', 'USAGE'],
}

/** Privileges of newer servers, which `ALL` does not include. */
const NEWER: Readonly<Record<Target, readonly string[]>> = { database: [], schema: [], tables: ['MAINTAIN'], sequences: [] }

const inWords: Readonly<Record<Target, string>> = {
  database: 'a database',
  schema: 'a schema',
  tables: 'tables',
  sequences: 'sequences',
}

/** A privilege in the server's own words. */
const privilegeName = (written: string): string => {
  const name = written.toUpperCase()
  return name === 'TEMP' ? 'TEMPORARY' : name === 'ALL PRIVILEGES' ? 'ALL' : name
}

/** Privileges in the words of the server, sorted. `ALL` stands for every one of PostgreSQL 15. */
export const expanded = (target: Target, privileges: readonly string[]): readonly string[] => {
  const names = privileges.map(privilegeName)
  return [...new Set(names.flatMap((name) => (name === 'ALL' ? PRIVILEGES[target] : [name])))].sort()
}

/** Why a role cannot have a privilege on a target, and what to write instead; undefined if it can. */
export const privilegeFault = (target: Target, written: string): { readonly message: string; readonly fix: string } | undefined => {
  const name = privilegeName(written)
  if (name === 'ALL' || PRIVILEGES[target].includes(name) || NEWER[target].includes(name)) return undefined
  return {
    message: `is not a privilege on ${inWords[target]}`,
    fix: `write ALL, or some of ${[...PRIVILEGES[target], ...NEWER[target]].join(', ')}`,
  }
}

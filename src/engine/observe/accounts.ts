import type { AnyKind, NeededAccounts } from '../../resource/kind/kind.ts'
import type { Query } from '../../resource/kind/queries.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { DeclaredResource } from '../plan/declared.ts'

/** The entry of an observation with the accounts that the host has. It cannot be a resource, because it has no colon. */
export const ACCOUNTS = 'accounts'

/** Names of those users and groups that were asked for and exist. */
export interface KnownAccounts {
  readonly users: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
}

/** The accounts that a resource needs, without root, which every host has. */
export const accountsOf = ({ kind, spec }: { readonly kind: AnyKind; readonly spec: unknown }): Required<NeededAccounts> => {
  const { users = [], groups = [] } = kind.accounts?.(spec) ?? {}
  const named = (names: readonly string[]): readonly string[] => names.filter((name) => name !== 'root')
  return { users: named(users), groups: named(groups) }
}

/**
 * Returns the query for all accounts that resources need. Builtins read the local databases; `getent` runs only for names that they do not
 * have. It asks by name, because directory services need not list their accounts.
 */
export const accountsQuery = (resources: readonly DeclaredResource[]): Query<KnownAccounts> => {
  const needed = resources.map(({ resource }) => accountsOf(resource))
  const asked = { passwd: unique(needed.flatMap(({ users }) => users)), group: unique(needed.flatMap(({ groups }) => groups)) }
  return {
    script: sh`${scriptOf('passwd', asked.passwd)}${scriptOf('group', asked.group)}`,
    read: (stdout) => {
      const answer = stdout.toString()
      return { users: namesIn(answer, 'passwd', asked.passwd), groups: namesIn(answer, 'group', asked.group) }
    },
  }
}

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)]

const scriptOf = (database: 'passwd' | 'group', names: readonly string[]): Script =>
  names.length === 0
    ? sh``
    : sh`asked=${` ${names.join(' ')} `} known=' '
while IFS=: read -r name rest || [ "$name" ]; do case $asked in *" $name "*) known="$known$name " ;; esac; done </etc/${database}
set --; for name in ${names}; do case $known in *" $name "*) ;; *) set -- "$@" "$name" ;; esac; done
for name in $known; do printf ${`${database} %s:\\n`} "$name"; done
status=0; [ $# = 0 ] || { found=$(getent ${database} -- "$@") || status=$?; printf '%s\\n' "$found" | while IFS= read -r line; do printf ${`${database} %s\\n`} "$line"; done; }
printf ${`end ${database} %s\\n`} "$status"
`

/** The asked names that the host reported. `getent` ends with 2 if some do not exist. */
const namesIn = (answer: string, database: string, names: readonly string[]): ReadonlySet<string> => {
  if (names.length === 0) return new Set()
  const lines = answer.split('\n')
  if (!lines.some((line) => line === `end ${database} 0` || line === `end ${database} 2`))
    throw new Error(`the host did not report which names its ${database} database has`)
  const found = lines.flatMap((line) => (line.startsWith(`${database} `) ? [line.slice(database.length + 1).split(':', 1)[0] ?? ''] : []))
  return new Set(names.filter((name) => found.includes(name)))
}

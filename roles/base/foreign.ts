import { defineKind, sh, z } from 'provision'
import { accountName } from './part.ts'

export const adoptedOption = z
  .array(accountName)
  .default([])
  .meta({
    description:
      'accounts that the image or another program created and that may log in or become root; the plan and monitoring accept them',
    examples: [['debian']],
  })

interface ForeignAccount {
  readonly name: string
  readonly may: readonly string[]
}

/** Where provision records what it manages on a host. */
const RECORDS = '/var/lib/provision/owned'

/** Lists accounts with a login shell, the number 0 or rights by sudo, and those in the records of provision. Uses builtins only. */
const SCRIPT = sh`while IFS=: read -r name _ uid _ _ _ shell; do
  case $uid in 0) printf 'root %s\\n' "$name" ;; esac
  case $shell in */sh|*/bash|*/dash|*/zsh|*/fish|*/ksh|*/csh|*/tcsh) printf 'shell %s\\n' "$name" ;; esac
done </etc/passwd
while IFS=: read -r group _ _ members; do
  case $group in sudo|admin|wheel) IFS=,; for name in $members; do printf 'sudo %s\\n' "$name"; done; unset IFS ;; esac
done </etc/group
for file in /etc/sudoers /etc/sudoers.d/*; do
  # A backslash continues a line.
  [ ! -f "$file" ] || { begun=; while read -r name rest; do
    [ -z "$begun" ] || { rest="$name\${rest:+ $rest}" name=$begun begun=; }
    case $name in *[!a-z0-9_-]*|'') continue ;; esac
    case $rest in *=*) printf 'sudo %s\\n' "$name" ;; *\\\\) begun=$name ;; esac
  done <"$file"; }
done
for file in ${RECORDS}/*; do
  [ ! -f "$file" ] || while read -r key _; do case $key in user:*) printf 'known %s\\n' "\${key#user:}" ;; esac; done <"$file"
done
printf 'end\\n'`

/** Names accounts that may log in or become root, and that no role declares. It never changes the host. Monitoring reads the adopted ones in the record. */
export const foreignAccounts = defineKind({
  name: 'foreign-accounts',
  schema: z.strictObject({ declared: z.array(z.string()), adopted: z.array(z.string()) }),
  id: () => 'base',
  observe: () => ({
    script: SCRIPT,
    parse: (stdout): ReadonlyMap<string, readonly ForeignAccount[]> => {
      const lines = stdout.toString().split('\n')
      if (lines.at(-2) !== 'end') throw new Error('the host did not list its accounts')
      const found = lines.slice(0, -2).map((line) => line.split(' '))
      const known = new Set(found.flatMap(([what, name = '']) => (what === 'known' ? [name] : [])))
      const names = new Set(found.flatMap(([, name = '']) => (known.has(name) ? [] : [name])))
      const of = (name: string): readonly string[] => [...new Set(found.flatMap(([what = '', one]) => (one === name ? [what] : [])))]
      return new Map([['base', [...names].map((name) => ({ name, may: of(name) }))]])
    },
  }),
  plan: () => undefined,
  notices: ({ declared, adopted }, accounts) =>
    accounts
      .filter(({ name }) => !['root', ...declared, ...adopted].includes(name))
      .map(
        ({ name, may }) =>
          `account ${name} may ${may.includes('root') || may.includes('sudo') ? 'become root' : 'log in'}, and no role declares it: add it to base.administrators, or to base.adopted_accounts if it belongs to the image`,
      ),
  recorded: ({ adopted }) => adopted,
  orphan: { forget: true },
  *apply() {},
})

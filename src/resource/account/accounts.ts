/** What stands for an account that the host does not know. */
export const NO_ACCOUNT = 'absent'

/** Shell that prints a whole account database (`passwd`, `group`) and proves that it was printed to its end. One process. */
export const getentScript = (name: 'passwd' | 'group'): string => `getent ${name}; printf 'end ${name} %s\\n' "$?"\n`

/**
 * Shell that prints whom `/etc/gshadow` names, in the same way: a `groupdel` that is cut off can leave a group there alone. Builtins only.
 */
export const GSHADOW_SCRIPT = `while IFS=: read -r n _; do printf '%s:\\n' "$n"; done 2>/dev/null </etc/gshadow; printf 'end gshadow 0\\n'\n`

/** The entries of a database as one of these scripts printed it; throws when the host did not get to its end. */
export const readDatabase = (answer: string, name: 'passwd' | 'group' | 'gshadow'): readonly (readonly string[])[] => {
  const lines = answer.split('\n')
  // An entry always has colons, so no entry can be mistaken for the mark.
  const end = lines.indexOf(`end ${name} 0`)
  if (end < 0) throw new Error(`the host could not list its ${name} database`)
  const start = lines.slice(0, end).findLastIndex((line) => line.startsWith('end ')) + 1
  return lines.slice(start, end).map((line) => line.split(':'))
}

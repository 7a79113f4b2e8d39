import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
/** State of a user or group that does not exist on the host. */
export const NO_ACCOUNT = 'absent'

/** Script that prints a whole account database, then an end mark, so that a truncated answer is noticed. One process. */
export const getentScript = (name: 'passwd' | 'group'): Script => sh`getent ${name}; printf ${`end ${name} %s\\n`} "$?"\n`

/** Prints the groups of `/etc/gshadow` in the same format: an interrupted `groupdel` can leave an entry there only. Builtins only. */
export const GSHADOW_SCRIPT = sh`[ ! -e /etc/gshadow ] || while IFS=: read -r name _; do printf '%s:\\n' "$name"; done </etc/gshadow; printf 'end gshadow 0\\n'\n`

/** Parses the output of these scripts into entries. Throws if the end mark is missing. */
export const readDatabase = (answer: string, name: 'passwd' | 'group' | 'gshadow'): readonly (readonly string[])[] => {
  const lines = answer.split('\n')
  // Every entry contains a colon, so none equals the end mark.
  const end = lines.indexOf(`end ${name} 0`)
  if (end < 0) throw new Error(`the host did not list its ${name} database`)
  const start = lines.slice(0, end).findLastIndex((line) => line.startsWith('end ')) + 1
  return lines.slice(start, end).map((line) => line.split(':'))
}

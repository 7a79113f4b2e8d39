import { showHidden } from '../hidden.ts'
import { inOneLine } from './line.ts'

/** What is to be started again and again: on this machine, by this user. */
export interface Job {
  /** Of the two units, without their suffixes. */
  readonly name: string
  /** The project's directory. */
  readonly root: string
  /** Program and arguments. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Where more of the environment may stand: what the inventory takes from it. */
  readonly environmentFile: string
}

/**
 * The service that does it once. Throws a `Problem` if a word contains a line break or another control character: systemd.syntax(7) cannot
 * express one in a path, and it would start another directive.
 */
export const serviceText = ({ root, command, environment, environmentFile }: Job): string => `# Written by provision schedule.
[Unit]
Description=${description(root)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory=${path(root)}
${Object.entries(environment)
  .map(([name, value]) => `Environment=${word(`${name}=${value}`)}\n`)
  .join('')}EnvironmentFile=-${pattern(environmentFile)}
ExecStart=${commandOf(command)}
TimeoutStartSec=1h
NoNewPrivileges=yes
UMask=0077
`

/** Twice a day, not when everybody does, and after it was missed. */
export const timerText = ({ root }: Job): string => `# Written by provision schedule.
[Unit]
Description=${description(root)}

[Timer]
OnCalendar=*-*-* 04,16:00:00
RandomizedDelaySec=4h
Persistent=true

[Install]
WantedBy=timers.target
`

const specifiers = (text: string): string => inOneLine(text).replaceAll('%', '%%')

/** Text for people. It must not end in a backslash, which would continue the line. */
const description = (root: string): string => `Renews the certificates of ${showHidden(specifiers(root))} (provision)`

/** systemd takes a directory literally except for blanks and a backslash at its end. A final `/.` protects those. */
const path = (directory: string): string => `${specifiers(directory)}${/[\s\\]$/.test(directory) ? '/.' : ''}`

/** systemd expects a pattern here, see glob(7). */
const pattern = (file: string): string => specifiers(file).replaceAll(/[\\*?[\]]/g, '\\$&')

/**
 * systemd expands variables in every word except the path of the program, and refuses quotes and backslashes in that path. A shell starts
 * such a program.
 */
const commandOf = ([program = '', ...words]: readonly string[]): string =>
  /["'\\]/.test(program)
    ? ['/bin/sh -c', ...['exec "$0" "$@"', program, ...words].map(argument)].join(' ')
    : [word(program), ...words.map(argument)].join(' ')

const argument = (text: string): string => word(text.replaceAll('$', '$$$$'))

/** One word of a unit's setting. */
const word = (text: string): string => {
  const shown = specifiers(text)
  return /^[A-Za-z0-9_@%+=:,./$-]+$/.test(shown) ? shown : `"${shown.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

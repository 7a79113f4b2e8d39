import { showHidden } from '../hidden.ts'
import { inOneLine } from './line.ts'

/** A scheduled command on this machine. */
export interface Job {
  /** Name of the two units, without suffix. */
  readonly name: string
  /** The project's directory. */
  readonly root: string
  /** Program and arguments. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Optional file with environment variables that the inventory refers to. */
  readonly environmentFile: string
  readonly purpose: Purpose
}

/** What a job does, when, and with which rights. */
export interface Purpose {
  /** The description of the units, before the project's directory. */
  readonly summary: string
  /** Lines of the timer. */
  readonly times: readonly string[]
  /** Lines of the service, after those of every job. */
  readonly limits: readonly string[]
}

/** Twice a day at a random time, and after a missed run. */
export const RENEWAL: Purpose = {
  summary: 'Renews the certificates of',
  times: ['OnCalendar=*-*-* 04,16:00:00', 'RandomizedDelaySec=4h', 'Persistent=true'],
  limits: ['NoNewPrivileges=yes'],
}

/**
 * Returns the service unit. Throws a `Problem` if a value contains a line break or another control character: systemd.syntax(7) cannot
 * express one in a path, and it would start another directive.
 */
export const serviceText = ({ root, command, environment, environmentFile, purpose }: Job): string => `# Written by provision schedule.
[Unit]
Description=${description(purpose, root)}
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
UMask=0077
${purpose.limits.map((line) => `${line}\n`).join('')}`

/** Returns the timer unit. */
export const timerText = ({ root, purpose }: Pick<Job, 'root' | 'purpose'>): string => `# Written by provision schedule.
[Unit]
Description=${description(purpose, root)}

[Timer]
${purpose.times.join('\n')}

[Install]
WantedBy=timers.target
`

const specifiers = (text: string): string => inOneLine(text).replaceAll('%', '%%')

/** Returns the description of the units. It must not end in a backslash, which would continue the line. */
const description = ({ summary }: Purpose, root: string): string => `${summary} ${showHidden(specifiers(root))} (provision)`

/** Returns a directory for systemd, which drops blanks and a backslash at its end. A final `/.` protects them. */
const path = (directory: string): string => `${specifiers(directory)}${/[\s\\]$/.test(directory) ? '/.' : ''}`

/** Returns a file as a pattern, see glob(7): systemd expects one. */
const pattern = (file: string): string => specifiers(file).replaceAll(/[\\*?[\]]/g, '\\$&')

/**
 * Returns the command for ExecStart. systemd expands variables in every word except the program's path, and rejects quotes and backslashes
 * in that path; since version 254 it loses a blank at the end. A shell starts such a program.
 */
const commandOf = ([program = '', ...words]: readonly string[]): string =>
  /["'\\]|\s$/.test(program)
    ? ['/bin/sh -c', ...['exec "$0" "$@"', program, ...words].map(argument)].join(' ')
    : [word(program), ...words.map(argument)].join(' ')

const argument = (text: string): string => word(text.replaceAll('$', '$$$$'))

/** Returns a quoted word for a setting of a unit. */
const word = (text: string): string => {
  const escaped = specifiers(text)
  return /^[A-Za-z0-9_@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

import type { View } from '../report/view.ts'
import type { Command, Option, Options } from './command.ts'
import type { Entry } from './commands.ts'
import { everywhere } from './parse.ts'

/** `provision --help`. */
export const overview = (commands: Readonly<Record<string, Entry>>, { paint }: View): string => {
  const wide = Math.max(...Object.keys(commands).map(({ length }) => length))
  return `${[
    'Turns bare Debian and Ubuntu servers into what your playbook says, over SSH: the plan first, then exactly the plan.',
    '',
    `${paint.bold('Usage')}  provision COMMAND [OPTIONS]`,
    '',
    paint.bold('Commands'),
    ...Object.entries(commands).map(([name, { summary }]) => `  ${paint.cyan(name.padEnd(wide))}  ${summary}`),
    '',
    'provision COMMAND --help says what a command takes; provision --version prints the version.',
    'Exit status: 0 done or nothing to do, 1 failed, 2 --dry-run found changes, 3 the input is wrong, 4 a host was not reached, 130 interrupted.',
  ].join('\n')}\n`
}

/** `provision COMMAND --help`: what the options say of themselves. */
export const commandHelp = (summary: string, { usage, options, notes = [] }: Command, { paint }: View): string => {
  const all = Object.entries<Option>({ ...options, ...everywhere } satisfies Options).map(
    ([name, option]) => [spelled(name, option), told(option)] as const,
  )
  const wide = Math.max(...all.map(([left]) => left.length))
  return `${[
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    '',
    ...usage.map((line, i) => `${i === 0 ? paint.bold('Usage') : '     '}  provision ${line}`),
    '',
    paint.bold('Options'),
    ...all.map(([left, right]) => `  ${paint.cyan(left.padEnd(wide))}  ${right}`),
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ].join('\n')}\n`
}

const spelled = (name: string, { type, short, value = 'VALUE' }: Option): string =>
  `${short === undefined ? '   ' : `-${short},`} --${name}${type === 'string' ? ` ${value}` : ''}`

const told = ({ help, choices, multiple }: Option): string =>
  [help, ...(choices === undefined ? [] : [`(${choices.join(', ')})`]), ...(multiple ? ['(may be repeated)'] : [])].join(' ')

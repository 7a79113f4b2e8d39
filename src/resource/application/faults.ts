import type { OptionFault } from '../option/fault.ts'
import type { ApplicationOptions } from './options.ts'

/** Faults that concern several options. */
export const applicationFaults = (app: ApplicationOptions): readonly OptionFault[] => {
  const without = (['build', 'runtime'] as const).filter((key) => app.source === undefined && app[key] !== undefined)
  return [
    ...without.map((key) => ({ path: [key], what: `${key} has no effect without source`, fix: 'set `source`, or remove it' })),
    ...(app.runtime === 'php' ? phpFaults(app) : programFaults(app)),
  ]
}

const programFaults = (app: ApplicationOptions): readonly OptionFault[] => {
  const hasCommand = app.command !== undefined || app.runtime === 'node'
  return [
    ...(app.php === undefined
      ? []
      : [{ path: ['php'], what: 'php has no effect without runtime: php', fix: 'set `runtime: php`, or remove it' }]),
    ...(hasCommand ? [] : [{ path: [], what: 'the application has no command', fix: 'set `command`' }]),
    ...(app.port !== undefined ? [] : [{ path: [], what: 'the application has no port', fix: 'set `port`' }]),
    ...(app.command?.startsWith('/') === false && app.source === undefined
      ? [
          {
            path: ['command'],
            what: `${app.command.split(' ', 1)[0]} is a path in the source, and the application has none`,
            fix: 'set `source`, or begin it with /',
          },
        ]
      : []),
  ]
}

/** nginx asks PHP over a socket, and PHP-FPM is the program. */
const phpFaults = ({ php, source, ...app }: ApplicationOptions): readonly OptionFault[] => [
  ...(['command', 'port'] as const)
    .filter((key) => app[key] !== undefined)
    .map((key) => ({ path: [key], what: `${key} has no effect with runtime: php`, fix: 'remove it' })),
  ...(typeof source === 'object' && php?.root === undefined
    ? [
        {
          path: ['php'],
          what: 'the application has no document root, and its source is a repository',
          fix: 'set `php.root`, such as public, or . for the top of the repository',
        },
      ]
    : []),
]

import { z } from 'zod'
import type { Resource } from '../kind/kind.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { refuseAccidents } from '../kind/unusable.ts'
import { sandbox, settingLines, type UnitSettings } from '../service/sandbox.ts'
import { service } from '../service/service.ts'
import { unit } from '../service/unit.ts'

const oneLine = z.string().regex(/^[^\p{Cc}]*[^\p{Cc}\\]$/u, 'must be one line, without a backslash at its end')

const [NAMES, DAYS] = ['minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually', '(Mon|Tue|Wed|Thu|Fri|Sat|Sun)']
const [PART, DATE] = ['[0-9*,./~]+', '[0-9*,./~]+(-[0-9*,./~]+){1,2}']
const CALENDAR = new RegExp(
  `^(${NAMES}|(${DAYS}((,|\\.\\.)${DAYS})* ?)?(${DATE})? ?(${PART}:${PART}(:${PART})?)?( (UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+))?)$`,
)

const schedule = z
  .string()
  .regex(CALENDAR, 'must be a calendar event of systemd.time(7), such as daily, Mon..Fri 08:00 or *-*-1 03:30')
  .refine((value) => value.trim() === value && value !== '', 'must be a calendar event of systemd.time(7), such as daily')

const schema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be a name of lower-case letters, digits and -'),
  description: oneLine.optional(),
  schedule: z.union([schedule, z.array(schedule).min(1)]).transform((value) => [value].flat()),
  command: z.array(z.string().regex(/^[^\0\n\r]*$/, 'must have no line break')).min(1),
  user: accountName.default('root'),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().regex(/^[^\p{Cc}]*$/u)).default({}),
  writes: z.array(absolutePath).default([]),
  randomDelay: z
    .string()
    .regex(/^\d+(s|min|h|d)?$/, 'must be a time span such as 10min')
    .optional(),
  persistent: z.boolean().default(true),
  timeout: z
    .string()
    .regex(/^(\d+(s|min|h|d)?|infinity)$/, 'must be a time span such as 10min')
    .default('1h'),
})

/** Options of a timer. */
export interface TimerOptions {
  /** Name of both units, without a suffix. */
  readonly name: string
  readonly description?: string
  /** One or several calendar events as in systemd.time(7): `daily`, `Mon..Fri 08:00`, `*-*-1 03:30`. */
  readonly schedule: string | readonly string[]
  /** The program, with its absolute path, and its arguments. No shell reads them. */
  readonly command: readonly string[]
  /** Account that runs it. Default: root. */
  readonly user?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Paths that it may write to. All others are read-only. */
  readonly writes?: readonly string[]
  /** A random delay up to this time span, so that many hosts do not start at once. */
  readonly randomDelay?: string
  /** Default: true. A run that was missed while the host was off is made up for after the boot. */
  readonly persistent?: boolean
  /** Time span after which a run is ended. Default: 1h. */
  readonly timeout?: string
  /** What the program needs beyond the sandbox, as for `sandbox`. Default: no network, no capabilities. */
  readonly needs?: Parameters<typeof sandbox>[0]
  /** Further settings of `[Service]`, which replace those of the sandbox. */
  readonly settings?: UnitSettings
}

/** A command on a schedule: a systemd timer, and a service in a sandbox that it starts. */
export const timer = ({ needs, settings = {}, ...options }: TimerOptions): readonly Resource[] => {
  refuseAccidents('timer', { ...options, settings })
  const given = schema.parse(options)
  const { name, description = `${name}, on a schedule` } = given
  if (!absolutePath.safeParse(given.command[0]).success)
    throw new TypeError(`the command of timer ${name} must begin with an absolute path: ${given.command[0]}`)
  const main: UnitSettings = {
    Type: 'oneshot',
    User: given.user,
    ExecStart: given.command.map(execWord).join(' '),
    TimeoutStartSec: given.timeout,
    ...(Object.keys(given.environment).length > 0 && {
      Environment: Object.entries(given.environment).map(([key, value]) => quoted(`${key}=${value}`)),
    }),
    ...(given.writes.length > 0 && { ReadWritePaths: given.writes.map(quoted).join(' ') }),
  }
  const program = unit({
    name: `${name}.service`,
    content: `[Unit]\nDescription=${description.replaceAll('%', '%%')}\n\n[Service]\n${settingLines({ ...main, ...sandbox(needs, settings) })}`,
  })
  const when: UnitSettings = {
    OnCalendar: given.schedule,
    Persistent: given.persistent ? 'yes' : 'no',
    ...(given.randomDelay !== undefined && { RandomizedDelaySec: given.randomDelay }),
  }
  const start = unit({
    name: `${name}.timer`,
    content: `[Unit]\nDescription=${description.replaceAll('%', '%%')}\n\n[Timer]\n${settingLines(when)}\n[Install]\nWantedBy=timers.target\n`,
  })
  return [program, start, service({ unit: `${name}.timer`, restarts: [start] })]
}

/** A word in double quotes. systemd.syntax(7) reads escapes in it, and a percent sign begins a specifier. */
const quoted = (word: string): string => `"${word.replaceAll(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`

/** A word of ExecStart=, in which a dollar sign begins a variable too. */
const execWord = (word: string): string => (/^[A-Za-z0-9_./:=@,+-]+$/.test(word) ? word : quoted(word).replaceAll('$', '$$$$'))

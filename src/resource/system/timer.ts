import { z } from 'zod'
import { defineComposite } from '../composite.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { sandbox, settingLines, type UnitSettings } from '../service/sandbox.ts'
import { service } from '../service/service.ts'
import { unit } from '../service/unit.ts'
import { commandWord, quotedWord, unitLine } from '../service/unit-words.ts'

const span = (pattern: RegExp) => z.string().regex(pattern, 'must be a time span such as 10min')

const [NAMES, DAYS] = ['minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually', '(Mon|Tue|Wed|Thu|Fri|Sat|Sun)']
const [PART, DATE] = ['[0-9*,./~]+', '[0-9*,./~]+(-[0-9*,./~]+){1,2}']
const CALENDAR = new RegExp(
  `^(${NAMES}|(${DAYS}((,|\\.\\.)${DAYS})* ?)?(${DATE})? ?(${PART}:${PART}(:${PART})?)?( (UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+))?)$`,
)

const schedule = z
  .string()
  .regex(CALENDAR, 'must be a calendar event of systemd.time(7), such as daily, Mon..Fri 08:00 or *-*-1 03:30')
  .refine((value) => value.trim() === value && value !== '', 'must be a calendar event of systemd.time(7), such as daily')

const needs = z.strictObject({
  network: z
    .enum(['none', 'loopback', 'kernel', 'all'])
    .optional()
    .meta({ description: 'addresses that it reaches: none, those of this host, netlink only, or all. Default: none' }),
  capabilities: z
    .array(z.string().regex(/^CAP_[A-Z_]+$/, 'must be a capability such as CAP_NET_RAW'))
    .optional()
    .meta({ description: 'capabilities that it has', examples: [['CAP_DAC_READ_SEARCH']] }),
  ambient: z.boolean().optional().meta({ description: 'whether an account other than root has them too' }),
  calls: z
    .array(z.string().regex(/^@?[a-z0-9_-]+$/, 'must be a system call, or a group such as @mount'))
    .optional()
    .meta({ description: 'further system calls', examples: [['@mount']] }),
})

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/, 'must be a name of lower-case letters, digits and -')
    .meta({ description: 'name of both units, without a suffix', examples: ['report'] }),
  description: unitLine.optional().meta({ description: 'description of both units' }),
  schedule: z
    .union([schedule, z.array(schedule).min(1)])
    .transform((value) => [value].flat())
    .meta({ description: 'one or several calendar events, as in systemd.time(7)', examples: ['daily', 'Mon..Fri 08:00', ['*-*-1 03:30']] }),
  command: z
    .array(z.string().regex(/^[^\0\n\r]*$/, 'must have no line break'))
    .min(1)
    .refine((words) => absolutePath.safeParse(words[0]).success, 'must begin with an absolute path')
    .meta({ description: 'the program and its arguments; no shell reads them', examples: [['/usr/local/bin/report', '--quiet']] }),
  user: accountName.default('root').meta({ description: 'account that runs it' }),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().regex(/^[^\p{Cc}]*$/u))
    .default({})
    .meta({ description: 'environment variables', examples: [{ LANG: 'C.UTF-8' }] }),
  writes: z
    .array(absolutePath)
    .default([])
    .meta({ description: 'paths that it may write to; all others are read-only', examples: [['/srv/reports']] }),
  randomDelay: span(/^\d+(s|min|h|d)?$/)
    .optional()
    .meta({ description: 'random delay up to this time span, so that many hosts do not start at once', examples: ['10min'] }),
  persistent: z.boolean().default(true).meta({ description: 'run once after boot if a run was missed while the host was off' }),
  timeout: span(/^(\d+(s|min|h|d)?|infinity)$/)
    .default('1h')
    .meta({ description: 'time span after which a run is ended' }),
  needs: needs.default({}).meta({ description: 'access beyond the sandbox, which has no network and no capabilities' }),
  settings: z
    .record(z.string().regex(/^[A-Za-z]+$/), z.union([unitLine, z.array(unitLine)]))
    .default({})
    .meta({ description: 'further settings of [Service], which replace those of the sandbox', examples: [{ ProtectHome: 'no' }] }),
})

/** Options of a timer. */
export type TimerOptions = z.input<typeof schema>

/** A command on a schedule: a systemd timer, and a service in a sandbox that it starts. */
export const timer = defineComposite({
  name: 'timer',
  summary: 'command that systemd runs at certain times',
  schema,
  resources: (spec) => {
    const { name, description = `${name}, on a schedule` } = spec
    const about = `[Unit]\nDescription=${description.replaceAll('%', '%%')}\n\n`
    const main: UnitSettings = {
      Type: 'oneshot',
      User: spec.user,
      ExecStart: spec.command.map(commandWord).join(' '),
      TimeoutStartSec: spec.timeout,
      ...(Object.keys(spec.environment).length > 0 && {
        Environment: Object.entries(spec.environment).map(([key, value]) => quotedWord(`${key}=${value}`)),
      }),
      ...(spec.writes.length > 0 && { ReadWritePaths: spec.writes.map(quotedWord).join(' ') }),
    }
    const when: UnitSettings = {
      OnCalendar: spec.schedule,
      Persistent: spec.persistent ? 'yes' : 'no',
      ...(spec.randomDelay !== undefined && { RandomizedDelaySec: spec.randomDelay }),
    }
    const program = unit({
      name: `${name}.service`,
      content: `${about}[Service]\n${settingLines({ ...main, ...sandbox(spec.needs, spec.settings) })}`,
    })
    const start = unit({
      name: `${name}.timer`,
      content: `${about}[Timer]\n${settingLines(when)}\n[Install]\nWantedBy=timers.target\n`,
    })
    return [program, start, service({ unit: `${name}.timer`, restarts: [start] })]
  },
})

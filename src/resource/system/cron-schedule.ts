import { z } from 'zod'

interface Field {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly names?: readonly string[]
}

/** The fields of crontab(5), in their order. */
const FIELDS: readonly Field[] = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, names: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ') },
  { name: 'day of the week', from: 0, to: 7, names: 'sun mon tue wed thu fri sat'.split(' ') },
]

const NICKNAMES = '@reboot @yearly @annually @monthly @weekly @daily @midnight @hourly'.split(' ')

/** Returns why cron would not accept a schedule, or undefined. cron itself reports it in its journal only, and skips the whole file. */
export const scheduleFault = (schedule: string): string | undefined => {
  if (schedule.startsWith('@')) return NICKNAMES.includes(schedule) ? undefined : `must be five fields, or one of ${NICKNAMES.join(', ')}`
  const fields = schedule.split(' ')
  if (fields.length !== FIELDS.length) return `must have five fields: ${FIELDS.map(({ name }) => name).join(', ')}`
  const [fault] = FIELDS.flatMap((field, i) => {
    const text = fields[i] ?? ''
    return text.split(',').every((part) => isPart(part, field)) ? [] : [`${JSON.stringify(text)} is no ${field.name}: ${allowed(field)}`]
  })
  return fault
}

const allowed = ({ from, to, names }: Field): string =>
  `use *, ${from}-${to}${names === undefined ? '' : `, ${names[0]}-${names.at(-1)}`}, lists and steps such as */5`

/** `*`, a value or a range, with a step for all but a single value. Names stand for single values only in a range too. */
const isPart = (part: string, field: Field): boolean => {
  const [range = '', step, ...more] = part.split('/')
  if (more.length > 0 || (step !== undefined && !isIn(number(step), 1, field.to))) return false
  if (range === '*') return true
  const [from = '', to, ...rest] = range.split('-')
  if (rest.length > 0 || (step !== undefined && to === undefined)) return false
  const [first, last] = [numberOf(from, field), numberOf(to ?? from, field)]
  return isIn(first, field.from, field.to) && isIn(last, field.from, field.to) && first <= last
}

const number = (text: string): number => (/^\d{1,2}$/.test(text) ? Number(text) : Number.NaN)
const isIn = (value: number, from: number, to: number): boolean => value >= from && value <= to

const numberOf = (text: string, { from, names = [] }: Field): number => {
  const named = names.indexOf(text.toLowerCase())
  return named < 0 ? number(text) : named + from
}

/** cron's MAX_COMMAND: it cuts longer commands. */
const MAX_COMMAND = 998

/** A time of crontab(5), in its canonical form. */
export const schedule = z
  .string()
  .transform((value) => value.trim().replaceAll(/[ \t]+/g, ' '))
  .superRefine((value, context) => {
    const fault = scheduleFault(value)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
  })
  .meta({ description: 'five fields as in crontab(5), or @daily', examples: ['*/5 * * * *', '@daily'] })

export const cronCommand = z
  .string()
  .regex(/^[^\s\p{Cc}][^\p{Cc}]*$/u, 'must be one line of sh')
  // Some daemons take a backslash away from two, others do not.
  .refine(
    (value) => !/\\[\\%]/.test(value),
    'must have no \\% and no \\\\, which cron changes: write % alone, or write a script and run that',
  )
  .refine(
    (value) => escaped(value).length <= MAX_COMMAND,
    `must have at most ${MAX_COMMAND} characters, because cron cuts longer lines; write a script and run that`,
  )
  .meta({ description: 'one line of sh; a % is passed on as it is', examples: ['/usr/local/bin/report --quiet'] })

export const environment = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'),
    z.string().regex(/^[^\p{Cc}"]*$/u, 'must be one line without double quotes'),
  )
  .default({})
  .meta({ description: 'environment of all jobs, such as MAILTO and PATH', examples: [{ MAILTO: 'root' }] })

/** cron turns a percent sign into the end of a line unless it is escaped. */
export const escaped = (command: string): string => command.replaceAll('%', '\\%')

export const environmentLines = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => `${name}="${value}"\n`)
    .join('')

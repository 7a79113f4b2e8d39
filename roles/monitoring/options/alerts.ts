import { z } from 'provision'
import { expressionFault, templateFault } from './syntax.ts'
import { hostNames } from './targets.ts'

export const severity = z.enum(['critical', 'warning'])

const line = z.string().regex(/^[^\p{Cc}]+$/u, 'must be one line of text')

const refusing = (faultOf: (value: string) => string | undefined) => (value: string, context: z.RefinementCtx) => {
  const message = faultOf(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
}

/** Text with templates of Prometheus. */
const template = line.superRefine(refusing(templateFault))

const name = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,80}$/, 'must be a name of letters, digits and _ such as QueueTooLong')

/** An alert that the option `rules` adds. */
export const ownRule = z.strictObject({
  name: name.meta({ description: 'name of the alert', examples: ['QueueTooLong'] }),
  expr: z
    .string()
    .superRefine(refusing(expressionFault))
    .meta({ description: 'expression in PromQL; the alert fires for each result', examples: ['shop_queue_length > 100'] }),
  for: z
    .string()
    .regex(/^[0-9]{1,6}(s|m|h|d)$/, 'must be a time such as 5m')
    .default('0s')
    .meta({ description: 'time that the expression must have results before the alert fires', examples: ['5m'] }),
  severity: severity.default('warning').meta({ description: '`critical` (act now) or `warning` (look today)' }),
  summary: template.meta({
    description: 'one line for the message; `{{ $labels.host }}` and `{{ $value }}` are filled in',
    examples: ['{{ $value }} orders wait on {{ $labels.host }}'],
  }),
  runbook: template.optional().meta({
    description: 'instructions for the recipient of the alert',
    examples: ['Run `systemctl status shop-worker`.'],
  }),
})

/** Alerts that are not sent. */
export const silence = z.strictObject({
  rule: name.meta({ description: 'name of the alert, built-in or of `rules`', examples: ['RebootNeeded'] }),
  hosts: hostNames.optional().meta({ description: 'hosts and groups whose alerts are not sent; default: all', examples: [['web-02']] }),
  until: z.iso
    .date('must be a date such as 2027-01-31')
    .optional()
    .meta({ description: 'last day of the silence, in UTC; default: no end', examples: ['2027-01-31'] }),
  why: line.meta({ description: 'reason, for readers of the inventory', examples: ['replaced in January'] }),
})

const isZone = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const clock = z.string().regex(/^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/, 'must be a time such as 22:00')

/** Days of a week, as `quiet_hours` names them. */
export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Times at which only critical alerts are sent. */
export const quietHours = z
  .strictObject({
    from: clock.meta({ examples: ['22:00'] }),
    to: clock.meta({ description: 'end; it is on the next day if it is before `from`', examples: ['07:00'] }),
    days: z
      .array(z.enum(DAYS))
      .min(1)
      .optional()
      .meta({ description: 'days on which they begin; default: every day', examples: [['sat', 'sun']] }),
    time_zone: z
      .string()
      .regex(/^[A-Za-z0-9_+/-]+$/, 'must be a time zone such as Europe/Berlin')
      .refine(isZone, 'must be a time zone such as Europe/Berlin')
      .default('UTC')
      .meta({ description: 'time zone', examples: ['Europe/Berlin'] }),
  })
  .refine(({ from, to }) => from !== to && from !== '24:00', { path: ['to'], message: 'must differ from `from`, which is before 24:00' })

export type OwnRule = z.output<typeof ownRule>
export type Silence = z.output<typeof silence>
export type QuietHours = z.output<typeof quietHours>

import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { fileKind } from '../file/file-kind.ts'
import { defineKind } from '../kind/kind.ts'
import { accountName, fileMode } from '../kind/path.ts'
import { HostRefusal, outputExcerpt } from '../kind/step.ts'
import { needing } from '../service/needing.ts'

const FREQUENCIES = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
const size = z.string().regex(/^[1-9]\d*[kMG]?$/, 'must be a size such as 100M')
const script = z
  .string()
  .regex(/^[^\0]*[^\s\0][^\0]*$/, 'must be a shell script')
  .refine(
    (text) => !/^\s*(endscript|postrotate|prerotate)\b/m.test(text),
    'must not have a line that logrotate reads as the end of the script',
  )

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'must be a name of letters, digits, - and _: logrotate ignores some names with a dot')
      .meta({ description: 'name of the file in /etc/logrotate.d', examples: ['shop'] }),
    state: z.enum(['present', 'absent']).default('present'),
    paths: z
      .array(z.string().regex(/^\/[^\s\p{Cc}"'{}\\]+$/u, 'must be an absolute path, with * as a wildcard'))
      .min(1)
      .optional()
      .meta({ description: 'log files; * is a wildcard', examples: [['/var/log/shop/*.log']] }),
    frequency: z
      .enum(FREQUENCIES)
      .default('weekly')
      .meta({ description: 'how often a log is rotated', examples: ['daily'] }),
    keep: z
      .int()
      .min(0)
      .max(10_000)
      .default(4)
      .meta({ description: 'number of old logs that are kept', examples: [14] }),
    maxSize: size.optional().meta({ description: 'size at which a log is rotated before its time', examples: ['100M'] }),
    minSize: size.optional().meta({ description: 'size below which a log is not rotated', examples: ['1M'] }),
    compress: z.boolean().default(true).meta({ description: 'compress old logs, except for the newest' }),
    copyTruncate: z
      .boolean()
      .default(false)
      .meta({ description: 'copy the log and empty it, for a program that cannot open it again; lines can get lost' }),
    create: z
      .strictObject({ mode: fileMode.default('640'), owner: accountName, group: accountName })
      .optional()
      .meta({ description: 'mode and owner of the new log', examples: [{ owner: 'shop', group: 'adm' }] }),
    su: z
      .strictObject({ user: accountName, group: accountName })
      .optional()
      .meta({
        description: 'account that rotates the logs, needed in a directory where others than root may write',
        examples: [{ user: 'shop', group: 'shop' }],
      }),
    after: script.optional().meta({ description: 'shell script that runs once after a rotation', examples: ['systemctl reload shop'] }),
  })
  .superRefine(({ state, paths, copyTruncate, create }, context) => {
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    if (state === 'present' && paths === undefined) issue('paths', 'is missing')
    if (copyTruncate && create !== undefined) issue('create', 'has no effect with copyTruncate, which keeps the file')
  })

type LogrotateSpec = z.output<typeof schema>

const rule = fileKind<z.input<typeof schema>, LogrotateSpec>({
  name: 'logrotate',
  summary: 'rotation of log files',
  schema,
  id: ({ name }) => name,
  fileOf: (spec) => file({ path: `/etc/logrotate.d/${spec.name}`, state: spec.state, content: textOf(spec) }).spec,
  accounts: ({ create, su }) => ({
    users: [create?.owner ?? [], su?.user ?? []].flat(),
    groups: [create?.group ?? [], su?.group ?? []].flat(),
  }),

  *check(specs) {
    const answer = yield {
      do: 'shell',
      doing: 'checking rules of logrotate',
      script: sh`command -v logrotate >/dev/null || exit 0
work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT; umask 022
${specs.map(
  (
    spec,
  ) => sh`printf %s ${textOf(spec)} >"$work/"${spec.name} && LC_ALL=C logrotate -d -s "$work/status" "$work/"${spec.name} >"$work/output" 2>&1 </dev/null ||
  { sed -n "s|$work/|/etc/logrotate.d/|g; /^error:/p" "$work/output" >&2; exit 1; }`,
)}`,
    }
    if (answer.code !== 0)
      throw new HostRefusal('logrotate rejected a rule', outputExcerpt(answer.stderr), 'correct its options; nothing was changed')
  },
})

/**
 * Rotation of log files, with the timer that rotates. logrotate checks the rule before it goes live: one that it cannot read would stop the
 * rotation of later files.
 */
export const logrotate = defineKind(
  needing(rule, {
    what: 'logrotate',
    readers: [{ program: '/usr/sbin/logrotate', units: ['logrotate.timer'] }],
    isNeeded: ({ state }) => state === 'present',
    fix: 'declare `package: { name: logrotate }` before it',
  }),
)

const textOf = ({ paths = [], frequency, keep, maxSize, minSize, compress, copyTruncate, create, su, after }: LogrotateSpec): string => {
  const lines = [
    ...[frequency, `rotate ${keep}`, 'missingok', 'notifempty'],
    ...(maxSize === undefined ? [] : [`maxsize ${maxSize}`]),
    ...(minSize === undefined ? [] : [`minsize ${minSize}`]),
    ...(compress ? ['compress', 'delaycompress'] : ['nocompress']),
    ...(copyTruncate ? ['copytruncate'] : []),
    ...(create === undefined ? [] : [`create ${create.mode.padStart(4, '0')} ${create.owner} ${create.group}`]),
    ...(su === undefined ? [] : [`su ${su.user} ${su.group}`]),
    ...(after === undefined
      ? []
      : [
          'sharedscripts',
          'postrotate',
          ...after
            .trim()
            .split('\n')
            .map((line) => `    ${line}`),
          'endscript',
        ]),
  ]
  return `${paths.join('\n')} {\n${lines.map((line) => `    ${line}\n`).join('')}}\n`
}

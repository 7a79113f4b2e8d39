import { isIP } from 'node:net'
import { z } from 'zod'
import { firstNames } from '../../first-names.ts'
import { sh } from '../../shell/sh.ts'
import { ABSENT, reasonUnreached } from '../kind/inode.ts'
import { type Change, defineKind, type PlanContext, type Trigger, type Work } from '../kind/kind.ts'
import { absolutePath } from '../kind/path.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { unitName } from '../service/unit-name.ts'
import { shellScript } from './options.ts'
import { checkScript, readChecks } from './wait-checks.ts'
import { resourceNames, triggers } from './when.ts'

const CONDITIONS = ['port', 'path', 'url', 'unit', 'condition'] as const

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^\p{Cc}]+$/u, 'must be one line of text')
      .optional()
      .meta({ description: 'a short description; default: the condition' }),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .meta({ description: 'a TCP port that accepts connections from this host', examples: [8080] }),
    address: z
      .string()
      .refine((value) => isIP(value) !== 0, 'must be an IP address')
      .optional()
      .meta({ description: 'address of the port; default 127.0.0.1' }),
    path: absolutePath.optional().meta({ description: 'a path that exists, or does not with `state: absent`' }),
    state: z.enum(['present', 'absent']).optional(),
    url: z
      .string()
      .regex(/^https?:\/\/[\x21-\x7e]+$/, 'must be an http or https URL')
      .refine((url) => URL.canParse(url), 'must be a URL')
      .optional()
      .meta({ description: 'a URL that answers; the host needs the package curl', examples: ['http://127.0.0.1:8080/health'] }),
    status: z.int().min(100).max(599).optional().meta({ description: 'status of the answer; default 200' }),
    text: z
      .string()
      .regex(/^[^\p{Cc}]+$/u, 'must be one line of text')
      .optional()
      .meta({ description: 'a text in the answer' }),
    unit: unitName.optional().meta({ description: 'a systemd unit that is active', examples: ['app.service'] }),
    condition: shellScript.optional().meta({ description: 'POSIX sh, run as root, that succeeds; it must change nothing' }),
    when: resourceNames
      .optional()
      .meta({ description: 'earlier resources of this host: wait again after one of them changes', examples: [['service:app.service']] }),
    withinSeconds: z.number().positive().max(86_400).default(60).meta({ description: 'time limit in seconds, after which the wait fails' }),
    everySeconds: z.number().min(0.1).max(3600).default(1).meta({ description: 'pause between two attempts, in seconds' }),
  })
  .refine((options) => CONDITIONS.filter((name) => options[name] !== undefined).length === 1, {
    message: `exactly one of these must be set: ${CONDITIONS.join(', ')}`,
    path: ['condition'],
  })
  .refine(({ condition, name }) => condition === undefined || name !== undefined, {
    message: 'must be set for a condition',
    path: ['name'],
  })
  .refine(({ address, port }) => address === undefined || port !== undefined, { message: 'needs `port`', path: ['address'] })
  .refine(({ state, path }) => state === undefined || path !== undefined, { message: 'needs `path`', path: ['state'] })
  .refine(({ status, url }) => status === undefined || url !== undefined, { message: 'needs `url`', path: ['status'] })
  .refine(({ text, url }) => text === undefined || url !== undefined, { message: 'needs `url`', path: ['text'] })

export type WaitSpec = z.output<typeof schema> & { readonly triggers?: readonly Trigger[] }

/** Why the condition does not hold; empty if it does. */
export interface WaitState {
  readonly open: string
}

/** A condition that must hold before the run continues. It changes nothing, and is no change if it holds. */
export const wait = defineKind({
  name: 'wait',
  summary: 'condition that must hold before the run continues',
  schema,
  id: (spec: WaitSpec) => spec.name ?? targetOf(spec),

  observe: (specs: readonly WaitSpec[]) => ({
    shared: { inodes: specs.flatMap(({ path }) => path ?? []), units: specs.flatMap(({ unit }) => unit ?? []) },
    script: checksOf(specs),
    parse: (stdout, answers) => {
      const checks = readChecks(stdout.toString())
      return new Map(specs.map((spec, i) => [spec.name ?? targetOf(spec), { open: openBy(spec, answers) ?? checks.get(i) ?? 'no answer' }]))
    },
  }),

  plan: (spec: WaitSpec, { open }: WaitState, context: PlanContext): Change | undefined => {
    const causes = (spec.triggers ?? []).map(({ key }) => key).filter((key) => context.changes(key))
    if (open === '' && causes.length === 0) return undefined
    const why = causes.length === 0 ? ` (now: ${open})` : ` after ${firstNames(causes, 1)}`
    return {
      action: 'run',
      certainty: 'dependent',
      reason: `waits for ${targetOf(spec)}${why}`,
      differences: [],
      ...(causes.length > 0 && { causes }),
    }
  },

  forbids: ({ url }, { open }, { anyPackagesPending, mayBringMore, packagesPending }) =>
    url !== undefined && open === 'no curl' && anyPackagesPending !== true && mayBringMore !== true && !packagesPending
      ? new HostRefusal('curl is not installed', `it asks for ${url}`, 'declare the package curl before')
      : undefined,

  triggers: triggers<WaitSpec, WaitState>(),
  contained: true,
  orphan: { forget: true },

  *apply(work: readonly Work<WaitSpec, WaitState>[]): Steps {
    const done: string[] = []
    for (const { id, spec } of work) {
      const answer = yield {
        do: 'shell',
        script: waitScript(spec),
        doing: `waiting for ${id === targetOf(spec) ? id : `${id} (${targetOf(spec)})`}`,
        withinMs: (spec.withinSeconds + 60) * 1000,
      }
      if (answer.code !== 0)
        throw new HostRefusal(
          `${targetOf(spec)} did not come within ${spec.withinSeconds} s`,
          outputExcerpt(answer.stderr),
          'find out why on the host, or give it more time with withinSeconds; then run again',
          { done, culprit: id },
        )
      done.push(id)
    }
  },
})

/** What is waited for, in words. */
const targetOf = ({ port, address = '127.0.0.1', path, state, url, unit, name }: WaitSpec): string => {
  if (port !== undefined) return `port ${address.includes(':') ? `[${address}]` : address}:${port}`
  if (path !== undefined) return state === 'absent' ? `the end of ${path}` : path
  return url ?? unit ?? name ?? ''
}

const checksOf = (specs: readonly WaitSpec[]) =>
  checkScript(
    specs.flatMap(({ port, address = '127.0.0.1' }, at) => (port === undefined ? [] : [{ at, port, address }])),
    specs.flatMap(({ url, status = 200, text }, at) => (url === undefined ? [] : [{ at, url, status, text }])),
    specs.flatMap(({ condition }, at) => (condition === undefined ? [] : [{ at, condition }])),
  )

/** The answer of a shared query. Undefined if the check has its own. */
const openBy = ({ path, state, unit }: WaitSpec, answers: Answers): string | undefined => {
  if (unit !== undefined) {
    const active = answers.units.get(unit)?.get('ActiveState') ?? 'unknown'
    return active === 'active' ? '' : active
  }
  if (path === undefined) return undefined
  const inode = inodeAt(answers, path)
  const unreached = reasonUnreached(inode)
  if (unreached !== undefined) return unreached
  return (inode === ABSENT) === (state === 'absent') ? '' : inode === ABSENT ? 'missing' : 'there'
}

const waitScript = (spec: WaitSpec) => {
  const { path, state, unit, withinSeconds, everySeconds } = spec
  const exists = path === undefined ? sh`:` : sh`{ [ -e ${path} ] || [ -L ${path} ]; }`
  const check =
    path !== undefined
      ? sh`if ${exists}; then echo ${state === 'absent' ? '0 no there' : '0 yes'}; else echo ${state === 'absent' ? '0 yes' : '0 no missing'}; fi`
      : unit !== undefined
        ? sh`active=$(systemctl is-active -- ${unit}); case $active in active) echo 0 yes ;; *) echo 0 no "$active" ;; esac`
        : checksOf([spec])
  return sh`check() { ( ${check} ); }
end=$(($(date +%s) + ${Math.ceil(withinSeconds)}))
until said=$(check); [ "$said" = '0 yes' ]; do
  [ "$(date +%s)" -lt "$end" ] || { printf '%s\\n' "\${said#0 no }" >&2; exit 1; }
  sleep ${everySeconds}
done`
}

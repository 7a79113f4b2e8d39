import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { readText, writeFiles } from '../file/write.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { type Change, defineKind, type Work } from '../kind/kind.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { digestAt } from '../kind/queries.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

const schema = z.strictObject({
  name: z
    .string()
    .max(64, 'must have at most 64 characters')
    .regex(new RegExp(`^${LABEL}(\\.${LABEL})*$`), 'must be a host name such as web-01, or web-01.example.org')
    .meta({
      description: 'name of the host; with a domain, /etc/hosts has both, and the kernel the first part',
      examples: ['web-01.example.org'],
    }),
  hosts: z
    .boolean()
    .default(true)
    .meta({ description: 'keep a line for the name in /etc/hosts (127.0.1.1), so that the host resolves its own name' }),
})

type HostnameSpec = z.output<typeof schema>

export interface HostnameState {
  /** The name that the kernel has. */
  readonly live: string
  /** Content of /etc/hostname. */
  readonly boot: string | undefined
  /** Names of 127.0.1.1 in /etc/hosts. */
  readonly hosts: readonly string[]
  /** Digest of our setting for cloud-init; undefined on a host without it. */
  readonly cloud: string | undefined
}

const [BOOT, HOSTS, LIVE] = ['/etc/hostname', '/etc/hosts', '/proc/sys/kernel/hostname']
const [CLOUD, OURS] = ['/etc/cloud/cloud.cfg', '/etc/cloud/cloud.cfg.d/99-provision-hostname.cfg']

/** cloud-init would set the name of the provider again at each boot. */
const KEPT = 'preserve_hostname: true\nmanage_etc_hosts: false\n'

/** Name of the host: now, after a boot, and in /etc/hosts. */
export const hostname = defineKind({
  name: 'hostname',
  summary: 'name of the host: now, after a boot, and in /etc/hosts',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly HostnameSpec[]) => ({
    shared: { inodes: [OURS, CLOUD], digests: [OURS], texts: [BOOT, HOSTS, LIVE] },
    script: sh``,
    parse: (_, answers) => {
      const [live] = answers.texts.get(LIVE) ?? []
      if (live === undefined) throw new Error('the host did not report its name')
      const state: HostnameState = {
        live,
        boot: answers.texts.get(BOOT)?.[0],
        hosts: namesIn(answers.texts.get(HOSTS) ?? []),
        cloud: answers.inodes.get(CLOUD) === 'absent' ? undefined : digestAt(answers, OURS),
      }
      return new Map(specs.map(({ name }) => [name, state]))
    },
  }),

  plan: (spec, state: HostnameState): Change | undefined => {
    const name = shortOf(spec)
    const differences = [
      ...differing({ name }, { name: state.live }),
      ...differing({ 'name at boot': name }, { 'name at boot': state.boot }),
      ...(spec.hosts
        ? differing(
            { 'line in /etc/hosts': namesOf(spec).join(' ') },
            { 'line in /etc/hosts': state.hosts.length === 0 ? undefined : state.hosts.join(' ') },
          )
        : []),
      ...(state.cloud === undefined || state.cloud === sha256Hex(KEPT) ? [] : [{ key: 'setting of cloud-init', to: 'keep the name' }]),
    ]
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  *apply(work: readonly Work<HostnameSpec, HostnameState>[]): Steps {
    for (const one of work) yield* applyName(one)
  },

  contained: true,
  orphan: { keep: 'a host needs a name; declare another one to change it' },
  recorded: ({ name }) => [name],
})

function* applyName({ id, spec, state }: Work<HostnameSpec, HostnameState>): Steps {
  const [boot, hosts] = [yield* readText(BOOT), yield* readText(HOSTS)]
  const changed = (what: string): HostRefusal =>
    new HostRefusal(`host name ${id} not set`, `${what} is not as it was observed`, FIX_CHANGED, { culprit: id })
  const now = boot.content.split('\n')[0] ?? ''
  if (now !== (state.boot ?? '') && now !== shortOf(spec)) throw changed(BOOT)
  const names = namesIn(hosts.content.split('\n')).join(' ')
  if (spec.hosts && names !== state.hosts.join(' ') && names !== namesOf(spec).join(' ')) throw changed(HOSTS)
  yield* writeFiles(
    [
      ...(state.cloud === undefined ? [] : [{ path: OURS, observed: state.cloud, content: KEPT }]),
      ...(spec.hosts ? [{ ...hosts, content: withNames(hosts.content, namesOf(spec)) }] : []),
      { ...boot, content: `${shortOf(spec)}\n` },
    ],
    'setting the host name',
  )
  // The old name still resolves until then.
  requireSuccess(
    yield {
      do: 'shell',
      script: sh`now=; IFS= read -r now <${LIVE}; case $now in ${shortOf(spec)}) exit 0 ;; ${state.live}) ;; *) echo 'the name of the kernel is not as it was observed' >&2; exit 1 ;; esac
hostname -- ${shortOf(spec)}`,
    },
    `host name ${id} not set`,
    'a container without this right gets its name from the machine that runs it',
  )
}

const ADDRESS = '127.0.1.1'
const fieldsOf = (line: string): readonly string[] => (line.split('#', 1)[0] ?? '').trim().split(/\s+/)

const namesIn = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((line) => {
    const [address, ...names] = fieldsOf(line)
    return address === ADDRESS ? names : []
  })

const shortOf = ({ name }: HostnameSpec): string => name.split('.', 1)[0] ?? name
const namesOf = (spec: HostnameSpec): readonly string[] => [...new Set([spec.name, shortOf(spec)])]

/** The text with one line for the address, in place of the first or after the lines of 127.0.0.1. */
const withNames = (text: string, names: readonly string[]): string => {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const isOurs = (line: string): boolean => fieldsOf(line)[0] === ADDRESS
  const first = lines.findIndex(isOurs)
  const place = first < 0 ? lines.findLastIndex((line) => fieldsOf(line)[0] === '127.0.0.1') + 1 : first
  const before = lines.slice(0, place)
  return `${[...before, `${ADDRESS} ${names.join(' ')}`, ...lines.slice(place).filter((line) => !isOurs(line))].join('\n')}\n`
}

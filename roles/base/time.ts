import { type Check, defineKind, directory, type Facts, file, HostRefusal, pkg, type Resource, service, z } from 'provision'
import type { Part } from './part.ts'

const server = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$/, 'must be a name or address of a time server')

export const timeOptions = z
  .strictObject({
    service: z
      .enum(['timesyncd', 'chrony', 'none'])
      .default('timesyncd')
      .meta({ description: 'what keeps the clock; none: something else does (CIS Debian 12 2.3)' }),
    servers: z
      .array(server)
      .default([])
      .meta({ description: 'whom it asks; the distribution’s servers where none is named', examples: [['ntp1.example.com']] }),
  })
  .prefault({})

type Time = z.output<typeof timeOptions>

const DAEMONS = {
  timesyncd: { name: 'systemd-timesyncd', unit: 'systemd-timesyncd.service' },
  chrony: { name: 'chrony', unit: 'chrony.service' },
} as const

/** Every other daemon that packages know as `time-daemon`: apt would take it away for ours. */
const OTHERS = ['systemd-timesyncd.service', 'chrony.service', 'ntpsec.service', 'ntp.service', 'openntpd.service']

/** That no other daemon keeps the clock already. Seen in every plan, before anything is installed; never mended by us. */
const clockKeeper = defineKind({
  name: 'clock-keeper',
  schema: z.strictObject({ unit: z.string() }),
  id: ({ unit }) => unit,
  observe: () => ({
    shared: { units: OTHERS },
    script: '',
    parse: (_, said) => {
      const there = OTHERS.filter((unit) => said.units.get(unit)?.get('LoadState') === 'loaded')
      return new Map(OTHERS.map((unit) => [unit, there.filter((other) => other !== unit)]))
    },
  }),
  plan: (_, others) =>
    others.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: `${others.join(' and ')} keeps the clock of this host`, differences: [] },
  // biome-ignore lint/correctness/useYield: it only refuses
  *apply(work) {
    for (const { id, change: verdict } of work)
      throw new HostRefusal(
        `${id} is not installed beside it`,
        verdict.reason,
        'write base.time.service: none (or chrony, if that is the one), or remove the other package',
      )
  },
})

/** A clock that is right; of a container it is the machine's. */
export const time = ({ service: wanted, servers }: Time, { container }: Pick<Facts, 'container'>): Part => {
  if (wanted === 'none' || container) return {}
  const { name, unit } = DAEMONS[wanted]
  const config = configOf(wanted, servers)
  return {
    packages: [clockKeeper({ unit }), pkg({ name })],
    files: config,
    services: [service({ unit, restarts: config.filter(({ kind }) => kind.name === 'file') })],
  }
}

const configOf = (wanted: 'timesyncd' | 'chrony', servers: readonly string[]): readonly Resource[] => {
  const state = servers.length === 0 ? ('absent' as const) : ('present' as const)
  const head = '# Written by provision (role base).\n'
  if (wanted === 'chrony') {
    const content = `${head}${servers.map((one) => `server ${one} iburst\n`).join('')}`
    return [file({ path: '/etc/chrony/sources.d/provision.sources', state, content })]
  }
  return [
    directory({ path: '/etc/systemd/timesyncd.conf.d' }),
    file({ path: '/etc/systemd/timesyncd.conf.d/50-provision.conf', state, content: `${head}[Time]\nNTP=${servers.join(' ')}\n` }),
  ]
}

export const timeChecks = ({ service: wanted }: Time): readonly Check[] =>
  wanted === 'none'
    ? []
    : [
        {
          name: 'the clock is synchronised',
          script: 'systemd-detect-virt --quiet --container && exit 77; [ "$(timedatectl show -P NTPSynchronized)" = yes ]',
        },
      ]

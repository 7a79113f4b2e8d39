import { type Check, defineKind, directory, type Facts, file, HostRefusal, pkg, type Resource, service, sh, z } from 'provision'
import { HEAD, type Part } from './part.ts'

const server = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$/, 'must be the name or address of a time server')

export const timeOptions = z
  .strictObject({
    service: z.enum(['auto', 'timesyncd', 'chrony', 'none']).default('auto').meta({
      description:
        'daemon that synchronises the clock; `auto`: the one that the host has, otherwise timesyncd; `none`: another one does (CIS 2.3)',
    }),
    servers: z
      .array(server)
      .default([])
      .meta({ description: 'time servers; default: those of the distribution', examples: [['ntp1.example.com']] }),
  })
  .prefault({})

type Time = z.output<typeof timeOptions>

const DAEMONS = {
  timesyncd: { name: 'systemd-timesyncd', unit: 'systemd-timesyncd.service' },
  chrony: { name: 'chrony', unit: 'chrony.service' },
} as const

/** Daemons that conflict with each other (`time-daemon`): apt would remove an installed one. */
const OTHERS = ['systemd-timesyncd.service', 'chrony.service', 'ntpsec.service', 'ntp.service', 'openntpd.service']

/** Asserts that no other daemon synchronises the clock. It is checked in every plan before packages are installed, and never changes the host. */
const clockKeeper = defineKind({
  name: 'clock-keeper',
  schema: z.strictObject({ unit: z.string() }),
  id: ({ unit }) => unit,
  observe: () => ({
    shared: { units: OTHERS },
    script: sh``,
    parse: (_, answers) => {
      const installed = OTHERS.filter((unit) => answers.units.get(unit)?.get('LoadState') === 'loaded')
      return new Map(OTHERS.map((unit) => [unit, installed.filter((other) => other !== unit)]))
    },
  }),
  plan: (_, others) =>
    others.length === 0
      ? undefined
      : {
          action: 'update',
          certainty: 'exact',
          reason: `${others.join(' and ')} already synchronises the clock of this host`,
          differences: [],
        },
  // biome-ignore lint/correctness/useYield: this kind only refuses
  *apply(work) {
    for (const { id, change } of work)
      throw new HostRefusal(
        `${id} cannot be installed`,
        change.reason,
        'set base.time.service to none (or to chrony, if that is the other one), or remove the other package',
      )
  },
})

/** Synchronisation of the clock. The machine does it for its containers. */
export const time = ({ service: given, servers }: Time, { container, clock = 'timesyncd' }: Pick<Facts, 'container' | 'clock'>): Part => {
  if (given === 'none' || container) return {}
  const wanted = given === 'auto' ? clock : given
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
  if (wanted === 'chrony') {
    const content = `${HEAD}${servers.map((one) => `server ${one} iburst\n`).join('')}`
    return [file({ path: '/etc/chrony/sources.d/provision.sources', state, content })]
  }
  return [
    directory({ path: '/etc/systemd/timesyncd.conf.d' }),
    file({ path: '/etc/systemd/timesyncd.conf.d/50-provision.conf', state, content: `${HEAD}[Time]\nNTP=${servers.join(' ')}\n` }),
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

import { type Facts, type HostContext, Problem } from 'provision'
import type { Options } from './options.ts'

/** The server software of a release, and what it can do. */
export interface Software {
  readonly product: string
  readonly package: string
  readonly unit: string
  readonly server: string
  readonly client: string
  readonly account: string
  /** Accounts can be limited to channels (since 6.2). */
  readonly hasChannels: boolean
}

const REDIS: Software = {
  ...{ product: 'Redis', package: 'redis-server', unit: 'redis-server.service', account: 'redis' },
  ...{ server: '/usr/bin/redis-server', client: '/usr/bin/redis-cli', hasChannels: true },
}

const VALKEY: Software = {
  ...{ product: 'Valkey', package: 'valkey-server', unit: 'valkey-server.service', account: 'valkey' },
  ...{ server: '/usr/bin/valkey-server', client: '/usr/bin/valkey-cli', hasChannels: true },
}

/** First releases with Valkey. */
const FIRST_VALKEY: Readonly<Record<Facts['distribution'], number>> = { debian: 13, ubuntu: 26.04 }
const FIRST_CHANNELS: Readonly<Record<Facts['distribution'], number>> = { debian: 12, ubuntu: 24.04 }

const isFrom = (first: Readonly<Record<Facts['distribution'], number>>, { distribution, release }: Facts): boolean =>
  release === '' || Number.parseFloat(release) >= first[distribution]

export const softwareOf = (facts: Facts): Software =>
  isFrom(FIRST_VALKEY, facts) ? VALKEY : { ...REDIS, hasChannels: isFrom(FIRST_CHANNELS, facts) }

/** Requires the software of the release to have what the options use. */
export const requireRelease = ({ options: { users }, facts, host }: HostContext<Options>): void => {
  const user = users.find(({ channels }) => channels.length > 0)
  if (user === undefined || softwareOf(facts).hasChannels) return
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'redis' },
    what: `user ${user.name} has \`channels\`, which Redis 6.0 of Ubuntu 22.04 cannot limit`,
    why: 'there, every account may use all channels',
    fix: 'remove `channels`, or use a host with a later release',
  })
}

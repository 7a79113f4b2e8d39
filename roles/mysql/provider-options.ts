import { z } from 'provision'

const period = (description: string) =>
  z
    .string()
    .regex(/^PT(?=[0-9])([0-9]{1,5}H)?([0-9]{1,5}M)?([0-9]{1,5}(\.[0-9]{1,3})?S)?$/, 'must be a period such as PT5S or PT0.5S')
    .optional()
    .meta({ description, examples: ['PT5S'] })
const size = (description: string) =>
  z
    .string()
    .regex(/^[1-9][0-9]{0,9}[KMG]?$/, 'must be a size such as 128M')
    .optional()
    .meta({ description, examples: ['128M'] })
const count = (least: number, most: number, description: string) => z.int().min(least).max(most).optional().meta({ description })
const part = (description: string) => z.number().min(0).max(1).optional().meta({ description })
const yes = (description: string) => z.boolean().optional().meta({ description })

/** Options of Galera that can be changed without a loss of rows, of the majority or of encryption. */
export const providerOptions = z.strictObject({
  'cert.log_conflicts': yes('log each transaction that conflicts with another one'),
  'cert.optimistic_pa': yes('apply transactions in parallel as far as their server did'),
  'evs.inactive_check_period': period('how often the delay of members is checked'),
  'evs.inactive_timeout': period('silence after which a member is lost at once'),
  'evs.install_timeout': period('limit of an agreement about the members'),
  'evs.join_retrans_period': period('how often messages of such an agreement are repeated'),
  'evs.keepalive_period': period('silence after which a member sends a sign of life'),
  'evs.max_install_timeouts': count(0, 100, 'attempts at an agreement about the members'),
  'evs.send_window': count(1, 4096, 'packets on their way at one time'),
  'evs.suspect_timeout': period('silence after which a member is suspected to be lost'),
  'evs.user_send_window': count(1, 4096, 'packets with rows on their way at one time'),
  'gcache.keep_pages_size': size('writes kept in files beside gcache_size'),
  'gcache.page_size': size('size of a file for writes beside gcache_size'),
  'gcache.recover': yes('keep the writes over a restart of the server'),
  'gcs.fc_factor': part('part of fc_limit below which writes continue'),
  'gcs.fc_limit': count(1, 100_000, 'waiting write sets of a member from which writes pause'),
  'gcs.max_packet_size': count(1024, 1_048_576, 'largest packet in bytes'),
  'gcs.max_throttle': part('least part of the speed that a pause leaves for a copy of all data'),
  'gcs.recv_q_hard_limit': size('memory for waiting write sets, above which the server stops'),
  'gcs.recv_q_soft_limit': part('part of recv_q_hard_limit from which writes slow down'),
  'gcs.sync_donor': yes('the others wait for a member that copies its data to another one'),
  'gmcast.peer_timeout': period('silence after which a connection counts as lost'),
  'gmcast.segment': count(
    0,
    255,
    'site of this host: members of one segment send their writes to another segment once, not to each member of it',
  ),
  'gmcast.time_wait': period('time until a lost peer may connect again'),
  'pc.announce_timeout': period('how long a new member looks for others'),
  'pc.linger': period('how long a member that leaves waits for its last messages'),
  'repl.causal_read_timeout': period('limit of the wait of a read with wsrep_sync_wait'),
  'repl.max_ws_size': size('largest write set'),
})

export type ProviderOptions = z.output<typeof providerOptions>

/** In the words of Galera: `gcs.fc_limit=64`. */
export const providerWords = (given: ProviderOptions, prefixes: readonly string[] = ['']): readonly string[] =>
  Object.entries(given).flatMap(([name, value]) =>
    value === undefined || !prefixes.some((prefix) => name.startsWith(prefix))
      ? []
      : [`${name}=${typeof value === 'boolean' ? (value ? 'YES' : 'NO') : value}`],
  )

/** Options of a member that holds no data. */
export const ARBITRATOR_OPTIONS = ['evs.', 'gmcast.', 'pc.'] as const

import { sh } from '../../shell/sh.ts'
import { ifTableExists, queryScript, readRows } from '../database/client.ts'
import { DATA_DIRECTORIES, LIST_DATABASES } from '../database/mariadb.ts'
import type { KindQuery } from '../kind/kind.ts'
import { wholeNumber } from '../kind/number.ts'
import { HostRefusal } from '../kind/step.ts'
import type { ServiceState } from '../service/observe.ts'
import { service } from '../service/service.ts'
import type { GaleraSpec } from './spec.ts'

/** Status of a running server in its cluster. */
export interface MemberStatus {
  /** It belongs to the majority. */
  readonly primary: boolean
  /** It is connected to other members. An evicted server stays disconnected until it is restarted. */
  readonly connected: boolean
  readonly synced: boolean
  /** `Synced`, `Joined`, `Donor/Desynced`, … */
  readonly state: string
  /** Number of connected members, including arbitrators. */
  readonly size: number
  /** Number of servers among them. */
  readonly servers: number
  /** Names of the servers' hosts, with their identifiers in Galera. */
  readonly members: readonly { readonly name: string; readonly uuid: string }[]
  /** The history of its data, and the last transaction in it. */
  readonly uuid: string | undefined
  readonly seqno: number
}

/** Position of the data on disk. */
export interface Position {
  /** The history; undefined if the server was never in a cluster. */
  readonly uuid: string | undefined
  /** The last transaction; -1 if it has to be recovered after an unclean stop. */
  readonly seqno: number
  /** Databases, except those of the server itself. */
  readonly databases: readonly string[]
}

/** The unit of a server, and that of an arbitrator. A host has one of them in the cluster: both listen on the same port. */
export const UNITS = { server: 'mariadb.service', arbitrator: 'garb.service' }

/** The unit of the other function of this host. */
export const otherUnit = ({ me, arbitrators }: GaleraSpec): string => (arbitrators.includes(me) ? UNITS.server : UNITS.arbitrator)

export interface GaleraState {
  readonly service: ServiceState
  /** Whether the unit of the host's other function runs or starts at boot. */
  readonly otherRuns: boolean
  /** Undefined if the server does not run, or runs without Galera. */
  readonly status: MemberStatus | undefined
  readonly position: Position
}

/** File of the position, in the data directory. */
export const GRASTATE = 'grastate.dat'

const STATUS = `SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_cluster_size', 'wsrep_incoming_addresses', 'wsrep_local_state_uuid', 'wsrep_last_committed', 'wsrep_provider_name');`

/** The table of members exists once the server was in a cluster. An arbitrator has no address for clients. */
const MEMBERS = "SELECT CONCAT('member ', node_name), node_uuid FROM mysql.wsrep_cluster_members WHERE node_incoming_address <> ''"

/** Queries the status of a server. Without a majority, it answers queries about tables only by dirty reads. */
export const STATUS_SCRIPT = queryScript(
  `SET SESSION wsrep_dirty_reads = ON;\n${ifTableExists('wsrep_cluster_members', MEMBERS, 'mariadb')}\n${STATUS}`,
)

/** One client process for all specs; builtins read the position. */
export const observeGalera = (specs: readonly GaleraSpec[]): KindQuery<GaleraState> => {
  const services = service.kind.observe(specs.map((spec) => spec.service))
  return {
    shared: {
      ...services.shared,
      texts: [...(services.shared?.texts ?? []), ...DATA_DIRECTORIES.map((data) => `${data}/${GRASTATE}`)],
      units: [...(services.shared?.units ?? []), ...specs.map(otherUnit)],
    },
    script:
      specs.length === 0 ? sh`` : sh`${LIST_DATABASES}\necho "data $data"\n${STATUS_SCRIPT}\necho 'provision-services'\n${services.script}`,
    parse: (stdout, answers) => {
      const [own = '', forServices = ''] = stdout.toString().split('provision-services\n')
      const states = services.parse(Buffer.from(forServices), answers)
      const lines = own.split('\n')
      const databases = lines.flatMap((line) => (line.startsWith('database ') ? [line.slice('database '.length)] : []))
      const data = lines.find((line) => line.startsWith('data '))?.slice('data '.length)
      const isOfDisk = (line: string): boolean => line.startsWith('database ') || line.startsWith('data ')
      const rows = readRows(Buffer.from(lines.filter((line) => !isOfDisk(line)).join('\n')))
      const position = { ...readPosition(answers.texts.get(`${data}/${GRASTATE}`) ?? []), databases }
      return new Map(
        specs.flatMap((spec): readonly (readonly [string, GaleraState])[] => {
          const its = states.get(spec.service.unit)
          if (its === undefined) return []
          const status = rows && readStatus(rows)
          const other = answers.units.get(otherUnit(spec))
          const isActive = ['active', 'activating', 'reloading'].includes(other?.get('ActiveState') ?? '')
          const runs = isActive || other?.get('UnitFileState')?.startsWith('enabled') === true
          // A server without Galera is not in the way of an arbitrator.
          const isInCluster = !spec.arbitrators.includes(spec.me) || status !== undefined || position.uuid !== undefined
          return [[spec.cluster, { service: its, status, position, otherRuns: runs && isInCluster }]]
        }),
      )
    },
  }
}

/**
 * Parses the rows of `STATUS_SCRIPT`. Returns undefined for a server that runs without Galera: it joins a cluster only when it starts.
 * Throws a `HostRefusal` for an invalid number or history.
 */
export const readStatus = (rows: readonly (readonly string[])[]): MemberStatus | undefined => {
  const of = new Map(rows.map(([name = '', value = '']) => [name, value]))
  if (of.get('wsrep_provider_name') === '') return undefined
  const state = of.get('wsrep_local_state_comment') ?? ''
  return {
    primary: of.get('wsrep_cluster_status') === 'Primary',
    connected: of.get('wsrep_cluster_status') !== 'Disconnected',
    synced: state === 'Synced' || state === 'Donor/Desynced',
    state,
    size: wholeNumber(of.get('wsrep_cluster_size') ?? '0', 'the cluster size'),
    // An arbitrator has an empty address.
    servers: (of.get('wsrep_incoming_addresses') ?? '').split(',').filter((address) => address !== '').length,
    members: rows.flatMap(([name = '', uuid = '']) =>
      name.startsWith('member ') && UUID.test(uuid) ? [{ name: name.slice('member '.length), uuid }] : [],
    ),
    uuid: uuidOf(of.get('wsrep_local_state_uuid')),
    seqno: wholeNumber(of.get('wsrep_last_committed') ?? '-1', 'the last transaction'),
  }
}

const uuidOf = (word: string | undefined): string | undefined => {
  if (word === undefined || word === '' || word === NONE) return undefined
  if (UUID.test(word)) return word
  throw new HostRefusal(
    'history of the data is not readable',
    `${JSON.stringify(word.slice(0, 80))} is not a Galera history`,
    `see ${GRASTATE} in its data directory`,
  )
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const NONE = '00000000-0000-0000-0000-000000000000'

export const readPosition = (lines: readonly string[]): Omit<Position, 'databases'> => {
  const of = (key: string) =>
    lines
      .find((line) => line.startsWith(`${key}:`))
      ?.slice(key.length + 1)
      .trim()
  return { uuid: uuidOf(of('uuid')), seqno: wholeNumber(of('seqno') ?? '-1', 'the last transaction') }
}

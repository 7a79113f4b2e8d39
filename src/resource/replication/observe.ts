import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { queryScript, readRows } from '../database/client.ts'
import { DIALECTS, type Flavour, flavourOf } from '../database/flavour.ts'
import { checkPosition } from '../database/gtid.ts'
import { listDatabases } from '../database/mariadb.ts'
import type { KindQuery } from '../kind/kind.ts'
import type { ServiceState } from '../service/observe.ts'
import { service } from '../service/service.ts'
import { REPLICATION_SQL, type ReplicationSql } from './dialect.ts'
import type { ReplicationSpec } from './spec.ts'

/** Source of a replica, and the state of its replication. */
export interface Source {
  readonly address: string
  /** Whether it receives transactions. `connecting`: it tries to. */
  readonly receives: 'yes' | 'connecting' | 'no'
  /** Whether it applies received transactions. */
  readonly applies: boolean
  /** Whether it replicates by GTID, so that it can change its source. */
  readonly byPosition: boolean
  /** Whether it verifies that the certificate of its source has the source's address. */
  readonly verifies: boolean
  /** Position of received transactions, applied or not. */
  readonly received: string
  readonly error: string | undefined
}

/** An account for a replica: user, subject of its certificate, and privileges. */
export interface Follower {
  readonly user: string
  readonly subject: string
  readonly privileges: string
}

/** Status of a running server. */
export interface ServerStatus {
  /** Whether it accepts writes. */
  readonly writable: boolean
  /** Position of its data. */
  readonly position: string
  readonly source: Source | undefined
  readonly followers: readonly Follower[]
}

export interface ReplicationState {
  /** The primary in its own options. */
  readonly primary: string
  /** The flavour in its own options. */
  readonly flavour?: Flavour
  readonly service: ServiceState
  /** Undefined if it does not run. */
  readonly status: ServerStatus | undefined
  /** Databases on disk, except those of the server itself. */
  readonly databases: readonly string[]
  /** Whether a copy of all data from another server was interrupted. */
  readonly seeding: boolean
}

/** Mark in the data directory while a copy of another server's data is incomplete. */
export const SEEDING = '.provision-seeding'

/** Queries the status of a server, with column names, which the answer about its source needs. */
export const statusScript = (flavour: Flavour): Script =>
  queryScript(REPLICATION_SQL[flavour].status, { flags: sh` --column-names`, flavour })

/** One client process for all specs. */
export const observeReplication = (specs: readonly ReplicationSpec[]): KindQuery<ReplicationState> => {
  const flavour = flavourOf(specs)
  const services = service.kind.observe(specs.map((spec) => spec.service))
  return {
    ...(services.shared !== undefined && { shared: services.shared }),
    script:
      specs.length === 0
        ? sh``
        : sh`${listDatabases(DIALECTS[flavour].defineData)}\n[ ! -e "$data"/${SEEDING} ] || echo seeding\n${statusScript(flavour)}\necho 'provision-services'\n${services.script}`,
    parse: (stdout, answers) => {
      const [own = '', forServices = ''] = stdout.toString().split('provision-services\n')
      const states = services.parse(Buffer.from(forServices), answers)
      const lines = own.split('\n')
      const isOfDisk = (line: string): boolean => line.startsWith('database ') || line === 'seeding'
      const rows = readRows(Buffer.from(lines.filter((line) => !isOfDisk(line)).join('\n')), flavour)
      const status = rows && readStatus(rows, flavour)
      for (const position of [status?.position, status?.source?.received]) checkPosition(position ?? '')
      const disk = {
        databases: lines.flatMap((line) => (line.startsWith('database ') ? [line.slice('database '.length)] : [])),
        seeding: lines.includes('seeding'),
      }
      return new Map(
        specs.flatMap((spec): readonly (readonly [string, ReplicationState])[] => {
          const its = states.get(spec.service.unit)
          return its === undefined ? [] : [[spec.name, { primary: spec.primary, flavour, service: its, status, ...disk }]]
        }),
      )
    },
  }
}

/** Parses rows of `statusScript`. A server that is no replica prints nothing about a source, not even column names. */
export const readStatus = (rows: readonly (readonly string[])[], flavour: Flavour): ServerStatus => {
  const { columns } = REPLICATION_SQL[flavour]
  const [, readOnly = '', position = ''] = rows.find(([head]) => head === 'self') ?? []
  const names = rows.findIndex(([head]) => head === columns.first)
  const of = (name: string): string => rows[names + 1]?.[rows[names]?.indexOf(name) ?? -1] ?? ''
  return {
    writable: ['0', 'OFF'].includes(readOnly),
    position,
    source: names < 0 ? undefined : sourceOf(of, REPLICATION_SQL[flavour]),
    followers: rows.flatMap(([head, user = '', subject = '', privileges = '']) =>
      head === 'follower' ? [{ user, subject, privileges }] : [],
    ),
  }
}

const RECEIVES: Readonly<Record<string, Source['receives']>> = { Yes: 'yes', Connecting: 'connecting', Preparing: 'connecting' }

const sourceOf = (of: (name: string) => string, { columns, byPosition: [column, value] }: ReplicationSql): Source => ({
  address: of(columns.address),
  receives: RECEIVES[of(columns.receives)] ?? 'no',
  applies: of(columns.applies) === 'Yes',
  byPosition: of(column) === value,
  verifies: of(columns.verifies) === 'Yes',
  received: of(columns.received).replaceAll('\n', ''),
  error: [of('Last_SQL_Error'), of('Last_IO_Error')].find((words) => words !== ''),
})

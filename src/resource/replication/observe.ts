import { sh } from '../../shell/sh.ts'
import { queryScript, readRows } from '../database/client.ts'
import { readPosition } from '../database/gtid.ts'
import { LIST_DATABASES } from '../database/mariadb.ts'
import type { KindQuery } from '../kind/kind.ts'
import type { ServiceState } from '../service/observe.ts'
import { service } from '../service/service.ts'
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

/** Prefix of the accounts of replicas. */
export const FOLLOWER = 'provision-replica-'

const SELF = `SELECT 'self' AS h, @@read_only AS writable, @@gtid_current_pos AS position;
SELECT 'follower' AS h, g.User AS u, COALESCE(JSON_VALUE(g.Priv, '$.x509_subject'), '') AS s,
 (SELECT GROUP_CONCAT(p.PRIVILEGE_TYPE ORDER BY p.PRIVILEGE_TYPE) FROM information_schema.USER_PRIVILEGES p WHERE p.GRANTEE = CONCAT("'", g.User, "'@'", g.Host, "'")) AS p
 FROM mysql.global_priv g WHERE g.User LIKE '${FOLLOWER}%';
SHOW SLAVE STATUS;`

/** Queries the status of a server, with column names, which the answer about its source needs. */
export const STATUS_SCRIPT = queryScript(SELF, { flags: sh` --column-names` })

/** One client process for all specs. */
export const observeReplication = (specs: readonly ReplicationSpec[]): KindQuery<ReplicationState> => {
  const services = service.kind.observe(specs.map((spec) => spec.service))
  return {
    ...(services.shared !== undefined && { shared: services.shared }),
    script:
      specs.length === 0
        ? sh``
        : sh`${LIST_DATABASES}\n[ ! -e "$data"/${SEEDING} ] || echo seeding\n${STATUS_SCRIPT}\necho 'provision-services'\n${services.script}`,
    parse: (stdout, answers) => {
      const [own = '', forServices = ''] = stdout.toString().split('provision-services\n')
      const states = services.parse(Buffer.from(forServices), answers)
      const lines = own.split('\n')
      const isOfDisk = (line: string): boolean => line.startsWith('database ') || line === 'seeding'
      const rows = readRows(Buffer.from(lines.filter((line) => !isOfDisk(line)).join('\n')))
      const status = rows && readStatus(rows)
      for (const position of [status?.position, status?.source?.received]) readPosition(position ?? '')
      const disk = {
        databases: lines.flatMap((line) => (line.startsWith('database ') ? [line.slice('database '.length)] : [])),
        seeding: lines.includes('seeding'),
      }
      return new Map(
        specs.flatMap((spec): readonly (readonly [string, ReplicationState])[] => {
          const its = states.get(spec.service.unit)
          return its === undefined ? [] : [[spec.name, { primary: spec.primary, service: its, status, ...disk }]]
        }),
      )
    },
  }
}

/** Parses rows of `STATUS_SCRIPT`. A server that is no replica prints nothing about a source, not even column names. */
export const readStatus = (rows: readonly (readonly string[])[]): ServerStatus => {
  const [, readOnly = '', position = ''] = rows.find(([head]) => head === 'self') ?? []
  const names = rows.findIndex(([head]) => head === 'Slave_IO_State')
  const of = (name: string): string => rows[names + 1]?.[rows[names]?.indexOf(name) ?? -1] ?? ''
  return {
    writable: ['0', 'OFF'].includes(readOnly),
    position,
    source: names < 0 ? undefined : sourceOf(of),
    followers: rows.flatMap(([head, user = '', subject = '', privileges = '']) =>
      head === 'follower' ? [{ user, subject, privileges }] : [],
    ),
  }
}

const RECEIVES: Readonly<Record<string, Source['receives']>> = { Yes: 'yes', Connecting: 'connecting', Preparing: 'connecting' }

const sourceOf = (of: (name: string) => string): Source => ({
  address: of('Master_Host'),
  receives: RECEIVES[of('Slave_IO_Running')] ?? 'no',
  applies: of('Slave_SQL_Running') === 'Yes',
  byPosition: of('Using_Gtid') === 'Slave_Pos',
  verifies: of('Master_SSL_Verify_Server_Cert') === 'Yes',
  received: of('Gtid_IO_Pos'),
  error: [of('Last_SQL_Error'), of('Last_IO_Error')].find((words) => words !== ''),
})

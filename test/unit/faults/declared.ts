import { basename, dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import mysql from '../../../roles/mysql/role.ts'
import * as exported from '../../../src/index.ts'
import type { LocalFile } from '../../../src/resource/kind/content.ts'
import type { Resource } from '../../../src/resource/kind/kind.ts'
import type { HostContext, HostView, Role } from '../../../src/role/role.ts'
import { clusterOptions, DUMP, replicaOptions, type State } from '../../faults/database-states.ts'
import checkout from '../../faults/git-role.ts'
import postgresql from '../../faults/postgresql-role.ts'
import everything from '../../faults/role.ts'

const hosts = ['host-01', 'host-02', 'host-03'].map(
  (name, i): HostView => ({
    name,
    user: 'ops',
    sshPort: 22,
    addresses: [`10.0.0.${11 + i}`],
    publicAddresses: [],
    groups: [i === 2 ? 'database_arbitrators' : 'database'],
  }),
)
const DUMPED = gzipSync('-- Current Database: `archive`\n-- Table structure for table `old`\n')
const local = (path: string, bytes: Buffer): LocalFile => ({
  type: 'local',
  path,
  sha256: path.padEnd(64, '0'),
  size: bytes.length,
  open: () => bytes,
})

/** What a role declares in a state, on all hosts of its bench. */
const declared = <Options>(role: Role<Options>, options: unknown, on: readonly HostView[]): readonly Resource[] =>
  on.flatMap((host) =>
    role.resources({
      host,
      options: role.options.parse(options),
      site: { hosts, group: (name: string) => hosts.filter(({ groups }) => groups.includes(name)), withRole: () => [] },
      facts: { distribution: 'debian', release: '12', memoryMB: 4096 },
      flows: [],
      files: (path: string) =>
        path === dirname(DUMP)
          ? [{ path: basename(DUMP), content: local(path, DUMPED) }]
          : [{ path: 'index.html', content: local(path, Buffer.from(path)) }],
      authority: ({ domain }: { domain: string }) => ({
        key: `authority:${domain}`,
        zone: `${domain}.provision.internal`,
        certificate: { later: 'its certificate', get: () => 'its certificate' },
        trusted: () => [],
        nameOf: (name: string) => `${name}.${domain}.provision.internal`,
      }),
      warn: () => {},
    } as unknown as HostContext<Options>),
  )

/** What a role of each kind and the database role, as replicas and as a cluster, declare on the hosts of their bench. */
export const allIn = (state: State): readonly Resource[] => [
  ...declared(everything, { state }, hosts.slice(0, 1)),
  ...declared(checkout, { state }, hosts.slice(0, 1)),
  ...declared(postgresql, { state }, hosts.slice(0, 1)),
  ...declared(mysql, replicaOptions(state), hosts.slice(0, 2)),
  ...declared(mysql, clusterOptions(state), hosts),
]

/** The names of all kinds that a role can use. */
export const kinds = Object.values(exported).flatMap((value) =>
  typeof value === 'function' && 'kind' in value ? [(value as { kind: { name: string } }).kind.name] : [],
)

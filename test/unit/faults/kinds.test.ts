import { basename, dirname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import mysql from '../../../roles/mysql/role.ts'
import * as exported from '../../../src/index.ts'
import type { LocalFile } from '../../../src/resource/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind.ts'
import type { HostContext, HostView, Role } from '../../../src/role/role.ts'
import { clusterOptions, DUMP, replicaOptions, type State } from '../../faults/database-states.ts'
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
        certificate: { later: 'its certificate', get: () => undefined },
        trusted: () => [],
        nameOf: (name: string) => `${name}.${domain}.provision.internal`,
      }),
      warn: () => {},
    } as unknown as HostContext<Options>),
  )

const allIn = (state: State): readonly Resource[] => [
  ...declared(everything, { state }, hosts.slice(0, 1)),
  ...declared(mysql, replicaOptions(state), hosts.slice(0, 2)),
  ...declared(mysql, clusterOptions(state), hosts),
]

/** The kinds of which something differs between the states: declared otherwise, or in one of them only. */
const kindsThatDiffer = (): readonly string[] => {
  const texts = (state: State) => allIn(state).map((one) => `${one.kind.name}\0${keyOf(one)}\0${JSON.stringify(one.spec)}`)
  const [a, b] = [texts('a'), texts('b')]
  const differing = [...a.filter((text) => !b.includes(text)), ...b.filter((text) => !a.includes(text))]
  return [...new Set(differing.map((text) => text.split('\0')[0] ?? ''))].sort()
}

const kinds = Object.values(exported).flatMap((value) =>
  typeof value === 'function' && 'kind' in value ? [(value as { kind: { name: string } }).kind.name] : [],
)

// What ends the topology replica for good: there is no way to and fro of which it is a part.
const ONE_WAY = ['unreplicated']

it('every kind that a role can use differs between the two states of a run that is cut', () => {
  expect(kinds.length).toBeGreaterThanOrEqual(20)
  expect([...kindsThatDiffer(), ...ONE_WAY].sort()).toEqual([...new Set(kinds)].sort())
})

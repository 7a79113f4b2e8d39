import { galera } from '../../../../src/resource/galera/galera.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { unreplicated } from '../../../../src/resource/replication/unreplicated.ts'
import { service } from '../../../../src/resource/service/service.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'

/** The data directory of a database server: it and all in it belongs to the account `mysql`. No server runs here. */
const HOME = '/var/lib/mysql'
const inHome =
  (...names: readonly string[]) =>
  (at: string): readonly Place[] =>
    names.map((name) => ({ path: `${at}/${name}`, holds: 'file', parent: false }))

const common = { account: 'mysql', home: HOME, planOnly: true } as const
const unit = service({ unit: 'ssh.service' })

export const DATABASE_TARGETS: readonly Target[] = [
  {
    ...common,
    name: 'galera, observation',
    kinds: ['galera'],
    places: inHome('grastate.dat', 'shop'),
    resources: () => [galera({ cluster: 'hostile', me: 'a', servers: ['a'], service: unit })],
  },
  {
    ...common,
    name: 'replication, observation',
    kinds: ['replication'],
    places: inHome('.provision-seeding', 'shop'),
    resources: () => [
      replication({
        ...{ name: 'hostile', me: 'a', primary: 'a', opener: 'opener.service', seedPort: 4444, pair: '/etc/p.pem', trusted: '/etc/ca.pem' },
        servers: ['a', 'b'].map((host, i) => ({ host, address: `10.0.0.${i}`, certificate: `${host}.internal` })),
        service: unit,
      }),
    ],
  },
  {
    ...common,
    name: 'unreplicated, observation',
    kinds: ['unreplicated'],
    places: inHome('master.info'),
    resources: () => [unreplicated({ name: 'hostile', me: 'a', servers: [{ host: 'a', address: '10.0.0.1' }] })],
  },
]

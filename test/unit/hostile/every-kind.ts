import { ownedBy } from '../../../src/engine/plan/owned.ts'
import { certificate, placeholder, reboot, service, swap, wireguard } from '../../../src/index.ts'
import { file } from '../../../src/resource/file/file.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { drained } from '../../../src/resource/ownership/drained.ts'
import { allIn } from '../faults/declared.ts'

const pair = { path: '/etc/x.pem', names: ['www.example.test'] }
const spare = placeholder(pair)
const proxy = service({ unit: 'x.service', loads: [file({ path: '/etc/x', content: 'x' }), spare] })

/** Something of every kind, in both states of a run that is cut, and what the engine itself puts beside it. */
export const everything: readonly Resource[] = [
  ...allIn('a'),
  ...allIn('b'),
  proxy,
  certificate({ ...pair, account: 'acme-account:x', loadedBy: proxy }),
  ownedBy('role', ['site.yaml'], [proxy, ...allIn('a').filter(({ kind }) => kind.name === 'link')]),
  drained({ role: 'x' }),
  reboot({}),
  wireguard({
    ...{ interface: 'faults', me: 'host-01', unit: 'x.service' },
    members: [{ host: 'host-01', endpoint: '192.0.2.1:51820', addresses: ['10.80.0.1/32'] }],
  }),
  swap({ path: '/var/lib/provision/swapfile', sizeMB: 8 }),
]

/** As much of it as one host can have: one resource of a name. */
export const onOneHost: readonly Resource[] = [...new Map(everything.map((one) => [keyOf(one), one])).values()]

import { dropin, type Resource, sandbox, slice } from 'provision'
import type { Options } from './options.ts'

/** Its main process puts a socket in the place of one of the account haproxy, and gives its workers away to it, in a root of their own. */
const CAPABILITIES = ['NET_BIND_SERVICE', 'SETUID', 'SETGID', 'SYS_CHROOT', 'KILL', 'CHOWN', 'FOWNER'].map((one) => `CAP_${one}`)

/** Its files of /run lie in a directory of root alone: not even another program of the account haproxy gets to its socket. */
const OWN = 'provision-haproxy'

/** Where it is asked how things are, and told to take servers out. */
export const SOCKET = `/run/${OWN}/admin.sock`

/** HAProxy in a slice of its own: neither does it starve the rest of its host, nor the rest it; and it comes back when it was ended. */
export const shareResources = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): readonly Resource[] => [
  slice({
    name: 'balancer',
    description: 'The load balancer',
    cpuWeight: cpu_weight,
    ioWeight: io_weight,
    memoryMax: `${memory_percent}%`,
  }),
  dropin({
    unit: 'haproxy.service',
    name: 'provision',
    settings: {
      Unit: { StartLimitIntervalSec: '0' },
      Service: {
        Slice: 'balancer.slice',
        Restart: 'always',
        RestartSec: '1s',
        RuntimeDirectory: OWN,
        RuntimeDirectoryMode: '0700',
        Environment: [`PIDFILE=/run/${OWN}/haproxy.pid`, `"EXTRAOPTS=-S /run/${OWN}/master.sock"`],
        ...sandbox(
          { network: 'all', capabilities: CAPABILITIES },
          // It compiles regular expressions while it runs, and does not start where it cannot.
          { ReadWritePaths: '/var/lib/haproxy', MemoryDenyWriteExecute: 'no' },
        ),
      },
    },
  }),
]

import { dropin, type Resource, sandbox, slice } from 'provision'
import type { Options } from './options.ts'

/** The main process replaces a socket of the account haproxy, and starts workers as that account in a chroot. */
const CAPABILITIES = ['NET_BIND_SERVICE', 'SETUID', 'SETGID', 'SYS_CHROOT', 'KILL', 'CHOWN', 'FOWNER'].map((one) => `CAP_${one}`)

/** Directory in /run that only root may enter, so that other programs of the account haproxy cannot reach the sockets. */
const OWN = 'provision-haproxy'

/** Socket for queries, and for draining servers. */
export const SOCKET = `/run/${OWN}/admin.sock`

/** Slice and drop-in of HAProxy: resource limits, sandbox, and restart after a failure. */
export const shareResources = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): readonly Resource[] => [
  slice({
    name: 'balancer',
    description: 'Load balancer',
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
          // HAProxy compiles regular expressions to machine code, and fails to start if it cannot.
          { ReadWritePaths: '/var/lib/haproxy', MemoryDenyWriteExecute: 'no' },
        ),
      },
    },
  }),
]

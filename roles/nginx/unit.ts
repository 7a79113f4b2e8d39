import { dropin, type Resource, sandbox, slice } from 'provision'
import type { Options } from './options.ts'

/** Slice of nginx and the applications, so that they cannot starve the rest of the host. */
export const SLICE = 'web.slice'

export const webSlice = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): Resource =>
  slice({
    name: 'web',
    description: 'Web server and applications',
    cpuWeight: cpu_weight,
    ioWeight: io_weight,
    memoryMax: `${memory_percent}%`,
  })

/** Capabilities of the main process, which opens logs of www-data, starts workers as that account, and reads private keys. */
const CAPABILITIES = ['CAP_NET_BIND_SERVICE', 'CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_KILL']

/** Drop-in for the unit of the package: slice, sandbox and restart. */
export const nginxSandbox = (): Resource =>
  dropin({
    unit: 'nginx.service',
    name: 'provision',
    settings: {
      Service: {
        Slice: SLICE,
        ...sandbox({ network: 'all', capabilities: CAPABILITIES }, { ReadWritePaths: '/run /var/log/nginx /var/lib/nginx', UMask: '0027' }),
        LimitNOFILE: '16384',
        Restart: 'on-failure',
        RestartSec: '1s',
      },
    },
  })

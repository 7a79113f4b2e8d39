import { dropin, type Resource, slice } from 'provision'
import type { Options } from './options.ts'

/** HAProxy in a slice of its own: neither does it starve the rest of its host, nor the rest it; and it comes back when it was ended. */
export const shareResources = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): readonly Resource[] =>
  [
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
      settings: { Unit: { StartLimitIntervalSec: '0' }, Service: { Slice: 'balancer.slice', Restart: 'always', RestartSec: '1s' } },
    }),
  ] as readonly Resource[]

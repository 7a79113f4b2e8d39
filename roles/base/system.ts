import { type HostView, hostname, locale, pkg, type Resource, swap, timezone, z } from 'provision'
import { type Fault, faultsIn } from './part.ts'

/** Options of the host as a whole. */
export const systemOptions = {
  hostname: z
    .union([z.boolean(), z.string()])
    .default(false)
    .meta({
      description: 'name of the host: `true` for its name in the inventory, or a name of its own; false: it keeps the present one',
      examples: [true, 'web-01.example.org'],
    }),
  time_zone: z
    .string()
    .optional()
    .meta({ description: 'time zone. Default: the host keeps the present one', examples: ['Europe/Berlin'] }),
  locale: z
    .string()
    .optional()
    .meta({ description: 'locale of sessions and services. Default: the host keeps the present one', examples: ['de_DE.UTF-8'] }),
  swap: z
    .union([z.literal(false), z.int().min(1).max(1_048_576)])
    .optional()
    .meta({ description: 'size of the file /swapfile in megabytes; false: it is removed. Default: not managed', examples: [2048] }),
  packages: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must be the name of a package'))
    .default([])
    .meta({ description: 'packages that the host has beside those of its roles', examples: [['htop', 'tmux']] }),
}

type Options = z.output<z.ZodObject<typeof systemOptions>>

const SWAP = '/swapfile'

export const systemResources = (options: Options, host: HostView): readonly Resource[] => [
  ...(options.hostname === false ? [] : [hostname({ name: options.hostname === true ? host.name : options.hostname })]),
  ...[...new Set(options.packages)].map((name) => pkg({ name })),
  ...(options.time_zone === undefined ? [] : timezone({ name: options.time_zone })),
  ...(options.locale === undefined ? [] : [pkg({ name: 'locales' }), locale({ name: options.locale, default: true })]),
  ...(options.swap === undefined
    ? []
    : [options.swap === false ? swap({ path: SWAP, state: 'absent' }) : swap({ path: SWAP, sizeMB: options.swap })]),
]

/** Values that the kinds reject, with the path of the option. */
export const systemFaults = ({ hostname: name, time_zone, locale: language }: Options): readonly Fault[] => [
  ...(typeof name === 'string'
    ? faultsIn(hostname.kind.schema, { name }, () => ['hostname'], 'write a name such as web-01.example.org')
    : []),
  ...(time_zone === undefined
    ? []
    : faultsIn(timezone.composite.schema, { name: time_zone }, () => ['time_zone'], 'write a zone such as Europe/Berlin')),
  ...(language === undefined
    ? []
    : faultsIn(locale.kind.schema, { name: language }, () => ['locale'], 'write a locale such as de_DE.UTF-8')),
]

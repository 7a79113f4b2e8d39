import { application, applicationFaults, applicationShape, defineRole, directory, unquotedPath, z } from 'provision'
import { checkOf } from './checks.ts'

const group = z.string().min(1)

const one = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as shop')
    .meta({ description: 'name of the application, used for its files on the host', examples: ['shop'] }),
  ...applicationShape,
  health: unquotedPath.optional().meta({
    description: 'path that must answer with a status from 200 to 399; default: the port accepts connections',
    examples: ['/alive'],
  }),
  from: z
    .array(group)
    .default([])
    .meta({
      description: 'groups whose hosts may connect to `port`, over which nothing is encrypted; default: this host only',
      examples: [['web']],
    }),
})

const options = z.strictObject({
  applications: z.array(one).min(1).meta({ description: 'list of applications' }),
  release: z
    .enum(['latest', 'previous'])
    .default('latest')
    .meta({ description: '`previous` rolls back to the release before the newest deployment' }),
  keep: z.int().min(2).max(100).default(5).meta({ description: 'number of releases that are kept of each application' }),
})

export type AppOptions = z.output<typeof one>

/** Applications without a web server in front of them. */
export default defineRole({
  name: 'app',
  summary: 'builds, runs and rolls back applications, without a web server',
  options,

  listens: ({ options: { applications } }) =>
    applications.flatMap(({ name, port, from }) =>
      port === undefined || from.length === 0
        ? []
        : [{ service: name, port, protocol: 'tcp' as const, from: from.map((some) => ({ group: some })) }],
    ),

  check: ({ options: { applications }, site }) =>
    applications.flatMap((given, i) => {
      const at = (...more: readonly PropertyKey[]): readonly PropertyKey[] => ['applications', i, ...more]
      const others = applications.slice(0, i)
      return [
        ...(given.runtime === 'php'
          ? [
              {
                path: at('runtime'),
                what: 'runtime: php needs a web server, and this role has none',
                fix: 'use `app` of a site of the role nginx',
              },
            ]
          : []),
        ...applicationFaults(given).map((fault) => ({ ...fault, path: at(...fault.path) })),
        ...(others.some(({ name }) => name === given.name)
          ? [{ path: at('name'), what: `two applications have the name ${given.name}`, fix: 'rename one of them' }]
          : []),
        ...(given.port !== undefined && others.some(({ port }) => port === given.port)
          ? [{ path: at('port'), what: `two applications have port ${given.port}`, fix: 'choose another port for one of them' }]
          : []),
        ...given.from.flatMap((name, n) =>
          site.group(name).length > 0
            ? []
            : [{ path: at('from', n), what: `group ${name} has no hosts`, fix: 'correct the name, or remove it' }],
        ),
      ]
    }),

  resources: ({ options: { applications, release, keep }, files }) => [
    directory({ path: '/etc/provision' }),
    ...applications.flatMap((given) => application({ name: given.name, app: given, files, keep, which: release, health: given.health })),
  ],

  verify: ({ options: { applications }, host }) => applications.map((given) => checkOf(given, host.name)),
})

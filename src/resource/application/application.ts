import { user } from '../account/user.ts'
import { build } from '../build/build.ts'
import { directory } from '../file/directory.ts'
import type { Resource } from '../kind/kind.ts'
import { pkg } from '../package/package.ts'
import { service } from '../service/service.ts'
import { answering } from './health.ts'
import type { ApplicationOptions } from './options.ts'
import { phpPackages } from './php/fpm.ts'
import { type PhpHealth, phpAnswering } from './php/health.ts'
import type { ReadyPhp } from './php/ready.ts'
import { withRuntime } from './runtime.ts'
import { BUILDER, type SourceFile, sourceResource } from './source.ts'
import { applicationSocket, applicationUnit, unitResources } from './unit.ts'

/** An application, with the settings of its role. */
export interface Application {
  readonly name: string
  readonly app: ApplicationOptions
  /** Reads files of the project. */
  files(directory: string): readonly SourceFile[]
  readonly keep: number
  readonly which: 'latest' | 'previous'
  /** Path that must answer after a start, and the host name of the request. */
  readonly health?: string | undefined
  readonly host?: string | undefined
  readonly slice?: string | undefined
  readonly before?: string | undefined
  /** Its settings for PHP, if PHP runs it. */
  readonly php?: ReadyPhp | undefined
}

/**
 * Returns the resources of an application: its packages, its release, its unit and its service. The former release is restored if the service
 * rejects the new one.
 */
export const application = (given: Application): readonly Resource[] => {
  const { name, keep, which, php } = given
  const { source } = given.app
  // Also for a rollback, because the packages of the runtime depend on them.
  const files = typeof source === 'string' ? given.files(source) : []
  const paths = new Set(files.map(({ path }) => path))
  const app = withRuntime(given.app, (path) => typeof source !== 'string' || paths.has(path))
  const unit = applicationUnit(name)
  const set = source === undefined ? undefined : `app-${name}`
  const root = `/srv/provision/${name}`
  const health = { port: app.port ?? 0, path: given.health, host: given.host, seconds: app.start_seconds }
  const units = unitResources({
    ...{ ...app, name, set, health, php, command: app.command ?? '' },
    ...{ code: source === undefined ? undefined : `${root}/current/app`, slice: given.slice, before: given.before },
  })
  const code = source === undefined ? undefined : sourceResource({ name, root }, source, files)
  const releases =
    code === undefined
      ? []
      : [
          build({
            ...{ root, source: code, user: BUILDER, keep, which, unit, set },
            ...(app.build !== undefined && {
              ...{ command: app.build.command, network: app.build.network, environment: app.build.environment },
              withinMinutes: app.build.minutes,
            }),
          }),
        ]
  const interpreter = (php === undefined ? [] : phpPackages(php)).map((one) => pkg({ name: one }))
  const socket = units.filter(({ id }) => id.endsWith('.socket'))
  const others = units.filter((one) => !socket.includes(one))
  return [
    ...interpreter,
    ...app.packages.map((one) => pkg({ name: one })),
    ...(code === undefined ? [] : beforeRelease(root, code, which)),
    ...releases,
    ...units,
    service({
      ...{ unit, reload: 'restart', took: php === undefined ? answering(health) : phpAnswering(phpHealth(given, php)) },
      restarts: [...others, ...releases, ...interpreter],
      ...(set !== undefined && { set }),
    }),
    // The service needs its socket and starts it. systemd starts no socket while a program of another runtime still runs as its service.
    ...socket.map((one) => service({ unit: one.id, restarts: [one], reload: 'restart' })),
  ]
}

/** The request that PHP must answer. */
const phpHealth = ({ name, health, host, app }: Pick<Application, 'name' | 'health' | 'host' | 'app'>, { root }: ReadyPhp): PhpHealth => ({
  ...{ socket: applicationSocket(name), root, path: health, host, seconds: app.start_seconds },
})

/** The account, the directories and the source of a release. A rollback needs no source. */
const beforeRelease = (root: string, code: Resource, which: Application['which']): readonly Resource[] => {
  const isCheckout = code.kind.name === 'git'
  return [
    user({ name: BUILDER, system: true, home: '/nonexistent', comment: 'builds of applications' }),
    directory({ path: '/srv/provision' }),
    directory({ path: root }),
    ...(which === 'previous'
      ? []
      : isCheckout
        ? [pkg({ name: 'git' }), directory({ path: code.id, owner: BUILDER, group: BUILDER }), code]
        : [code]),
  ]
}

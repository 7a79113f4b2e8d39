import { Secret } from '../../secret/secret.ts'
import { file } from '../file/file.ts'
import { type Text, text } from '../kind/content.ts'
import type { Resource } from '../kind/kind.ts'
import { sandbox, settingLines, type UnitSettings } from '../service/sandbox.ts'
import { unit } from '../service/unit.ts'
import { type Health, untilListening } from './health.ts'
import type { ApplicationOptions } from './options.ts'
import { phpFiles, phpSet, phpSettings, phpSocket, phpVariable, socketUnit } from './php/fpm.ts'
import type { ReadyPhp } from './php/ready.ts'

/** An application whose defaults are set. */
export interface ReadyApplication extends ApplicationOptions {
  readonly name: string
  readonly command: string
  /** Variables of its runtime. */
  readonly defaults: Readonly<Record<string, string>>
  /** Directory of its code; undefined if others install it. */
  readonly code: string | undefined
  /** Its settings for PHP, if PHP runs it. */
  readonly php?: ReadyPhp | undefined
  readonly health: Health
  /** Slice of the unit. */
  readonly slice?: string | undefined
  /** Unit that starts after it. */
  readonly before?: string | undefined
  /** Set of files that are restored with the former release. */
  readonly set?: string | undefined
}

/** Name of the directories and files of an application, and of its unit without the suffix. */
const ownName = (name: string): string => `provision-app-${name}`

/** Name of the unit of an application. */
export const applicationUnit = (name: string): string => `${ownName(name)}.service`

/** Path of the socket at which PHP answers requests of an application. */
export const applicationSocket = (name: string): string => phpSocket(ownName(name))

/** Runtimes compile code while they run, and read the number of processors, the memory and the networks. Libraries restore the group of files (chown). */
const APPLICATION = {
  MemoryDenyWriteExecute: 'no',
  ProcSubset: 'all',
  RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6',
  UMask: '0027',
}

/** The files and the units of an application. */
export const unitResources = (app: ReadyApplication): readonly Resource[] => {
  const { php } = app
  const own = ownName(app.name)
  const environment = Object.entries(app.environment)
  const variables = file({
    path: `/etc/provision/${own}.env`,
    mode: '600',
    content: joined(environment.map(([key, value]) => text`${key}=${quoted(value)}\n`)),
    ...(app.set !== undefined && { set: setOf(app.set, app) }),
  })
  const directory = app.directory ?? app.code
  const settings = {
    ...(php === undefined ? programSettings(app) : phpSettings(own, php)),
    ...(app.health.seconds > 60 && { TimeoutStartSec: `${app.health.seconds + 30}` }),
    Environment: [
      php === undefined ? `PORT=${app.health.port}` : phpVariable(own),
      ...Object.entries(app.defaults).map(([key, value]) => `${key}=${value}`),
    ],
    ...(environment.length > 0 && { EnvironmentFile: `/etc/provision/${own}.env` }),
    ...(app.user === undefined ? { DynamicUser: 'yes' } : { User: app.user }),
    ...(directory !== undefined && { WorkingDirectory: directory }),
    ...(app.slice !== undefined && { Slice: app.slice }),
    ...sandbox({ network: 'all', calls: ['@chown'] }, APPLICATION),
    // Other programs of the account keep their shared memory when this one ends.
    ...(app.user !== undefined && { RemoveIPC: 'no' }),
    ...(app.writes.length > 0 && { ReadWritePaths: app.writes.join(' ') }),
    ...(app.memory !== undefined && { MemoryMax: app.memory.toUpperCase() }),
    TasksMax: '1024',
    LimitNOFILE: '65536',
    Restart: 'always',
    RestartSec: '1s',
  }
  const ours = unit({
    name: applicationUnit(app.name),
    content: `# Written by provision.
[Unit]
Description=Application ${app.name}
After=network.target
${app.before === undefined ? '' : `Before=${app.before}\n`}${php === undefined ? '' : `Requires=${own}.socket\nAfter=${own}.socket\n`}StartLimitIntervalSec=0

[Service]
${settingLines(settings)}
[Install]
WantedBy=multi-user.target
`,
  })
  return [
    ...(environment.length > 0 ? [variables] : []),
    ...(php === undefined ? [] : [...phpFiles(own, php, setOf(app.set ?? `app-${app.name}`, app)), socketUnit(own, app.name)]),
    ours,
  ]
}

const setOf = (name: string, { name: app, php }: ReadyApplication) =>
  php === undefined ? { name, root: '/etc/provision', check: ['true'] } : phpSet(name, ownName(app), php)

const programSettings = (app: ReadyApplication): UnitSettings => ({
  ExecStart: programOf(app),
  // The application must listen before systemd starts units that are ordered after it.
  ExecStartPost: `/bin/bash -c '${untilListening(app.health)}'`,
  StateDirectory: ownName(app.name),
})

/** The command, whose program may be in the source. */
const programOf = ({ command, code }: ReadyApplication): string =>
  command.startsWith('/') || code === undefined ? command : `${code}/${command.replace(/^\.\//, '')}`

const joined = (texts: readonly Text[]): Text => ({ type: 'text', parts: texts.flatMap(({ parts }) => parts) })

/** Quotes a value for an environment file of systemd. */
const quoted = (value: Secret): Secret => new Secret(`"${value.reveal().replace(/["\\$`]/g, '\\$&')}"`)

import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { defineComposite } from '../composite.ts'
import { file } from '../file/file.ts'
import type { TextPart } from '../kind/content.ts'
import type { Resource } from '../kind/kind.ts'
import { absolutePath } from '../kind/path.ts'
import { settingLines, type UnitSettings } from '../service/sandbox.ts'
import { service } from '../service/service.ts'
import { commandText, commandWord, unitLine } from '../service/unit-words.ts'
import { hasDigest, imageName } from './image.ts'
import { containerPorts, isPeersOnly, published, publishedPorts, publishText } from './ports.ts'
import { quadlet } from './quadlet.ts'

const span = z.string().regex(/^\d+(ms|s|m|h)$/, 'must be a time span such as 30s')

/** A value of the environment: podman reads a file of them line by line, and knows no quotes. */
const value = z.union(
  [
    z.string().regex(/^[^\p{Cc}]*$/u),
    z.number().transform(String),
    z.boolean().transform(String),
    z.custom<Secret>((given) => isSecret(given) && /^[^\p{Cc}]*$/u.test(given.reveal())),
  ],
  { error: 'must be one line of text, a number, true, false, or a secret of one line' },
)

const volume = z.strictObject({
  source: z
    .union([absolutePath, z.string().regex(/^[a-z0-9][a-z0-9_.-]*$/)], { error: 'must be an absolute path, or the name of a volume' })
    .meta({
      description: 'a path of the host, or the name of a volume, which podman creates',
      examples: ['/srv/shop', 'shop-data'],
    }),
  target: absolutePath.meta({ description: 'the path in the container', examples: ['/data'] }),
  readOnly: z.boolean().default(false).meta({ description: 'whether the container can only read it' }),
})

const health = z.strictObject({
  command: unitLine.meta({
    description: 'a shell command in the container that succeeds if it is healthy',
    examples: ['wget -qO- http://127.0.0.1/'],
  }),
  interval: span.default('30s').meta({ description: 'time between two checks' }),
  timeout: span.default('10s').meta({ description: 'time after which a check has failed' }),
  retries: z.int().min(1).default(3).meta({ description: 'failed checks in a row after which it is unhealthy' }),
  startPeriod: span.default('0s').meta({ description: 'time after the start in which failed checks do not count' }),
  onFailure: z
    .enum(['none', 'kill', 'restart', 'stop'])
    .default('kill')
    .meta({ description: 'action on an unhealthy container; a killed one is started again' }),
})

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,60}$/, 'must be a name of lower-case letters, digits, - and _')
      .meta({ description: 'name of the container, and of its service', examples: ['shop'] }),
    image: imageName.meta({
      description:
        'the image with its registry. With a digest, the host runs exactly this image. With a tag, it runs the one that it has, and pulls it only if it has none',
      examples: ['docker.io/library/nginx@sha256:…', 'docker.io/library/nginx:1.27'],
    }),
    description: unitLine.optional().meta({ description: 'description of the service' }),
    command: z
      .array(z.string().regex(/^[^\p{Cc}]*$/u, 'must be one line'))
      .default([])
      .meta({ description: 'arguments for the image in place of its own', examples: [['serve', '--port', '8080']] }),
    environment: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'), value)
      .default({})
      .meta({
        description: 'environment variables; secrets are written to a file that only root can read',
        examples: [{ LANG: 'C.UTF-8' }],
      }),
    volumes: z
      .array(volume)
      .default([])
      .meta({ description: 'directories of the host, and volumes', examples: [[{ source: 'shop-data', target: '/data' }]] }),
    ports: z
      .array(published)
      .default([])
      .meta({
        description: 'published ports, and who may connect from other hosts',
        examples: [[{ port: 8080, to: 80, from: ['load_balancers'] }]],
      }),
    network: z
      .string()
      .regex(/^(host|none|bridge|[a-z0-9][a-z0-9_-]*(\.network)?)$/, 'must be host, none, bridge, or the name of a network')
      .optional()
      .meta({
        description: 'the network: `host`, `none`, a network of podman, or a Quadlet such as shop.network. Default: a bridge',
        examples: ['host'],
      }),
    health: health.optional().meta({ description: 'check of the container; a start is complete once it is healthy' }),
    autoUpdate: z.boolean().default(false).meta({ description: 'whether `podman auto-update` replaces it when its tag has a newer image' }),
    restart: z
      .enum(['always', 'on-failure', 'no'])
      .default('always')
      .meta({ description: 'cases in which systemd starts it again after its end' }),
    memory: z
      .string()
      .regex(/^[1-9]\d*[KMG]$/, 'must be an amount of memory such as 512M')
      .optional()
      .meta({ description: 'limit of its memory', examples: ['512M'] }),
    cpus: z
      .number()
      .positive()
      .max(1024)
      .optional()
      .meta({ description: 'limit of its processors', examples: [1.5] }),
    readOnly: z.boolean().default(false).meta({ description: 'let it write only to its volumes and /tmp' }),
    user: z
      .string()
      .regex(/^[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?$/, 'must be an account in the container')
      .optional()
      .meta({ description: 'account in the container that runs the program', examples: ['1000', 'node'] }),
    userNamespace: z
      .enum(['host', 'auto'])
      .default('host')
      .meta({ description: '`auto`: root of the container is an unprivileged account of the host' }),
    startTimeout: z
      .string()
      .regex(/^\d+(s|min)$/, 'must be a time span such as 5min')
      .default('5min')
      .meta({ description: 'time limit of a start' }),
    settings: z
      .record(z.string().regex(/^[A-Z][A-Za-z]*$/, 'must be a key of [Container]'), z.union([unitLine, z.array(unitLine)]))
      .default({})
      .meta({ description: 'further keys of [Container], as in podman-systemd.unit(5)', examples: [{ Label: 'team=shop' }] }),
  })
  .refine(({ autoUpdate, image }) => !autoUpdate || !hasDigest(image), {
    path: ['autoUpdate'],
    message: 'needs an image with a tag: a digest never has a newer image',
  })
  .refine(({ network, ports }) => ports.length === 0 || (network === 'host' ? ports.every(isPeersOnly) : network !== 'none'), {
    path: ['ports'],
    message:
      'must have only `port`, `protocol`, `from` and `why` for the network host, where nothing is published, and must not be set for none',
  })

/** Options of a container. */
export type ContainerOptions = z.input<typeof schema>

const ENVIRONMENT = '/etc/containers/provision'

/** A container of podman as a service of systemd (Quadlet): its file, a file of secrets, and the state of the service. */
export const container = defineComposite({
  name: 'container',
  summary: 'container as a systemd service (podman)',
  schema,
  resources: (spec): readonly Resource[] => {
    const { name, image } = spec
    const secrets = Object.entries(spec.environment).filter((entry): entry is [string, Secret] => isSecret(entry[1]))
    const secretFile = `${ENVIRONMENT}.${name}.env`
    const environment =
      secrets.length === 0 ? [] : [file({ path: secretFile, mode: '600', content: { type: 'text', parts: secrets.flatMap(linesOf) } })]
    const sections = {
      Unit: { Description: (spec.description ?? `container ${name}`).replaceAll('%', '%%') },
      Container: { ...containerSettings(spec), ...(secrets.length > 0 && { EnvironmentFile: secretFile }), ...spec.settings },
      Service: {
        Restart: spec.restart,
        TimeoutStartSec: spec.startTimeout,
        // A program that ends by SIGTERM has not failed.
        SuccessExitStatus: '143',
        ...(spec.memory !== undefined && { MemoryMax: spec.memory }),
        ...(spec.cpus !== undefined && { CPUQuota: `${Math.ceil(spec.cpus * 100)}%` }),
      },
      Install: { WantedBy: 'multi-user.target' },
    } satisfies Readonly<Record<string, UnitSettings>>
    const content = Object.entries(sections)
      .map(([section, settings]) => `[${section}]\n${settingLines(settings)}`)
      .join('\n')
    const unit = quadlet({ name: `${name}.container`, content, images: [image], ports: publishedPorts(spec) })
    return [...environment, unit, service({ unit: `${name}.service`, restarts: [unit, ...environment] })]
  },
  publishes: containerPorts,
})

const linesOf = ([key, secret]: readonly [string, Secret]): readonly TextPart[] => [`${key}=`, secret, '\n']

const containerSettings = (spec: z.output<typeof schema>): UnitSettings => ({
  ContainerName: spec.name,
  Image: spec.image,
  NoNewPrivileges: 'true',
  ...(spec.command.length > 0 && { Exec: spec.command.map(commandWord).join(' ') }),
  ...(plainOf(spec).length > 0 && { Environment: plainOf(spec) }),
  ...(spec.volumes.length > 0 && {
    Volume: spec.volumes.map(({ source, target, readOnly }) => commandText(`${source}:${target}${readOnly ? ':ro' : ''}`)),
  }),
  ...(spec.ports.length > 0 && spec.network !== 'host' && { PublishPort: spec.ports.map(publishText) }),
  ...(spec.network !== undefined && { Network: spec.network }),
  ...(spec.health !== undefined && {
    HealthCmd: commandText(spec.health.command),
    HealthInterval: spec.health.interval,
    HealthTimeout: spec.health.timeout,
    HealthRetries: String(spec.health.retries),
    HealthStartPeriod: spec.health.startPeriod,
    HealthOnFailure: spec.health.onFailure,
    Notify: 'healthy',
  }),
  ...(spec.autoUpdate && { AutoUpdate: 'registry' }),
  ...(spec.readOnly && { ReadOnly: 'true' }),
  ...(spec.user !== undefined && userOf(spec.user)),
  ...(spec.userNamespace === 'auto' && { UserNS: 'auto' }),
})

const plainOf = ({ environment }: z.output<typeof schema>): readonly string[] =>
  Object.entries(environment).flatMap(([key, given]) => (isSecret(given) ? [] : [commandWord(`${key}=${given}`)]))

const userOf = (given: string): UnitSettings => {
  const [user = '', group] = given.split(':')
  return { User: user, ...(group !== undefined && { Group: group }) }
}

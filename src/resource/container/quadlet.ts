import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { namedByResource, textsBefore } from '../file/file-kind.ts'
import { contentOption, type FileSpec, type FileState } from '../file/spec.ts'
import { asContent, bytesOf, hasSecret } from '../kind/content.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { emptyStep, withDaemonReload } from '../service/unit.ts'
import { imageName } from './image.ts'
import { portOption, quadletPorts } from './ports.ts'

const DIRECTORY = '/etc/containers/systemd'
const [GENERATOR, PODMAN, RELEASE] = [
  '/usr/lib/systemd/system-generators/podman-system-generator',
  '/usr/bin/podman',
  '/usr/lib/os-release',
]

const IMAGE_MISSING = 'image missing'

/** Kinds of files, with the suffix of the service that the generator makes of each. */
const SUFFIXES: Readonly<Record<string, string>> = {
  container: '',
  pod: '-pod',
  network: '-network',
  volume: '-volume',
  build: '-build',
  image: '-image',
}

const schema = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9_-]{0,60}\.(container|pod|network|volume|build|image)$/,
        'must be the name of a Quadlet such as shop.container',
      )
      .meta({ description: `name of the file in ${DIRECTORY}`, examples: ['shop.container', 'shop.network'] }),
    content: contentOption.default('').meta({ description: 'text of the file (podman-systemd.unit(5)), without secrets' }),
    images: z.array(imageName).default([]).meta({ description: 'images that the host pulls before the file changes' }),
    ports: z
      .array(portOption)
      .default([])
      .meta({
        description: 'ports that the content publishes, and that the role firewall opens; others stay closed',
        examples: [[{ port: 8080, from: ['load_balancers'] }]],
      }),
    state: z.enum(['present', 'absent']).default('present'),
  })
  .refine(({ content }) => !hasSecret(asContent(content)), {
    message:
      'must not have a secret, because every account can read units; write it to a file of mode 600 and load that (EnvironmentFile=)',
    path: ['content'],
  })
  .transform(({ name, content, images, ports, state }) => {
    const [stem = '', suffix = ''] = name.split('.')
    return {
      ...{ name, state, ports, images: state === 'present' ? images : [], unit: `${stem}${SUFFIXES[suffix] ?? ''}.service` },
      file: file({ path: `${DIRECTORY}/${name}`, content, state }).spec,
    }
  })

export type QuadletSpec = z.output<typeof schema>

export interface QuadletState {
  readonly file: FileState
  /** systemd has an older version of its service. */
  readonly isStale: boolean
  /** podman of the host has the generator. */
  readonly hasGenerator: boolean
  /** The release of the host, if its podman is too old for Quadlets. */
  readonly oldRelease: string | undefined
  /** Declared images that the host does not have. */
  readonly missing: readonly string[]
}

const observe = (specs: readonly QuadletSpec[]) => {
  const files = file.kind.observe(specs.map((spec) => spec.file))
  const wanted = specs.some(({ images }) => images.length > 0)
  const shared = {
    ...files.shared,
    inodes: [...(files.shared?.inodes ?? []), GENERATOR],
    texts: [...(files.shared?.texts ?? []), RELEASE],
    units: specs.map(({ unit }) => unit),
  }
  return {
    shared,
    script: wanted
      ? sh`[ ! -x ${PODMAN} ] || [ ! -e ${GENERATOR} ] || { ${PODMAN} image ls --format json 9>&- </dev/null && echo; }\necho end`
      : sh`echo end`,
    parse: (stdout: Buffer, answers: Parameters<typeof files.parse>[1]): ReadonlyMap<string, QuadletState> => {
      const states = files.parse(Buffer.alloc(0), answers)
      const has = imagesIn(stdout.toString())
      return new Map(
        specs.flatMap((spec): readonly (readonly [string, QuadletState])[] => {
          const found = states.get(spec.file.path)
          const stale = answers.units.get(spec.unit)?.get('NeedDaemonReload')
          if (found === undefined || stale === undefined) return []
          return [
            [
              spec.name,
              {
                ...{ file: found, isStale: stale === 'yes', hasGenerator: inodeAt(answers, GENERATOR) !== ABSENT },
                oldRelease: oldReleaseIn(answers.texts.get(RELEASE) ?? []),
                missing: spec.images.filter((image) => !has.has(image)),
              },
            ],
          ]
        }),
      )
    },
  }
}

const listed = z.array(z.object({ Names: z.array(z.string()).nullish(), RepoDigests: z.array(z.string()).nullish() }))

/** Names of the images of a host, with tag and with digest. */
const imagesIn = (stdout: string): ReadonlySet<string> => {
  if (!stdout.endsWith('end\n')) throw new Error('podman did not list its images')
  const text = stdout.slice(0, -'end\n'.length).trim()
  const images = text === '' ? [] : listed.parse(JSON.parse(text))
  return new Set(images.flatMap(({ Names, RepoDigests }) => [...(Names ?? []), ...(RepoDigests ?? [])]))
}

/** Releases whose podman (before 4.4) has no Quadlets. */
const OLD: Readonly<Record<string, number>> = { debian: 12, ubuntu: 23 }

const oldReleaseIn = (lines: readonly string[]): string | undefined => {
  const settingOf = (key: string): string =>
    lines
      .find((line) => line.startsWith(`${key}=`))
      ?.slice(key.length + 1)
      .replaceAll('"', '') ?? ''
  const [id, version] = [settingOf('ID'), settingOf('VERSION_ID')]
  return Number.parseInt(version, 10) <= (OLD[id] ?? 0) ? `${id} ${version}` : undefined
}

/**
 * A Quadlet: a file from which podman's generator makes a service at each boot and each `daemon-reload`. Its images are pulled before the file
 * changes. It starts nothing: a `service` with this resource in `restarts` does.
 */
export const quadlet = defineKind({
  name: 'quadlet',
  summary: 'Quadlet file, from which podman makes a systemd service',
  schema,
  id: ({ name }) => name,
  observe,

  plan: (spec, state: QuadletState, context): Change | undefined => {
    const change = file.kind.plan(spec.file, state.file, context)
    const pulled = state.missing.map((image) => ({ key: 'image', to: image }))
    if (change !== undefined) {
      const certainty = state.hasGenerator ? change.certainty : 'dependent'
      return { ...change, certainty, differences: [...change.differences, ...pulled] }
    }
    if (pulled.length > 0) return { action: 'update', certainty: 'exact', reason: IMAGE_MISSING, differences: pulled }
    return state.isStale
      ? { action: 'update', certainty: 'exact', reason: 'not read by systemd yet', differences: [], unfinished: true }
      : undefined
  },

  forbids: (spec, state, context) => {
    if (spec.file.state === 'absent' || state.hasGenerator) return file.kind.forbids?.(spec.file, state.file, context)
    if (state.oldRelease !== undefined)
      return new HostRefusal(
        `quadlet ${spec.name} needs podman 4.4`,
        `the podman of ${state.oldRelease} is older, and has no generator for Quadlets`,
        'upgrade the host to Debian 13, or declare the container as a `unit` that runs `podman run`',
      )
    return mayAppear(context)
      ? undefined
      : new HostRefusal(
          `quadlet ${spec.name} needs podman`,
          `${GENERATOR} does not exist on the host`,
          'declare the package podman before it',
        )
  },

  effects: (spec) => file.kind.effects?.(spec.file) ?? [],

  *apply(work: readonly Work<QuadletSpec, QuadletState>[]): Steps {
    for (const image of new Set(work.flatMap(({ state, spec }) => (state.hasGenerator ? state.missing : spec.images)))) yield* pull(image)
    const written = work.filter(({ change }) => change.reason !== IMAGE_MISSING)
    if (written.length === 0) return
    yield* check(written.filter(({ spec }) => spec.file.state === 'present'))
    const changed = written.filter(({ change }) => change.unfinished !== true)
    const resources = changed.map(({ id, spec }) => ({ id, paths: [spec.file.path] }))
    yield* withDaemonReload(written, changed.length === 0 ? emptyStep() : namedByResource(resources, file.kind.apply(changed.map(asFile))))
  },

  before: (work) =>
    textsBefore(
      work.map(asFile),
      work.map(({ id }) => id),
    ),
  diff: (work, before) => file.kind.diff?.(asFile(work), before),
  orphan: {
    delete: 'file',
    stops: (name) => name.replace(/\.\w+$/, (suffix) => `${SUFFIXES[suffix.slice(1)] ?? ''}.service`),
    note: 'its service is stopped; volumes and images stay',
  },
  content: (spec) => spec.file.content,
  files: (spec) => file.kind.files?.(spec.file) ?? [],

  publishes: quadletPorts,
})

const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending }: PlanContext): boolean =>
  packagesPending || anyPackagesPending === true || opaquePending === true

/** Time for the download of an image, in milliseconds. */
const PULL_MS = 20 * 60_000

function* pull(image: string): Steps {
  const script: Script = sh`${PODMAN} image exists ${image} </dev/null && exit 0
${PODMAN} pull -q ${image} </dev/null >"$T/pull" 2>&1 || { c=$?; tail -n 10 "$T/pull" >&2; exit "$c"; }`
  requireSuccess(
    yield { do: 'shell', script: sh`( ${script}\n)`, doing: `pulling ${image}`, withinMs: PULL_MS },
    `image ${image} not pulled`,
    'check the name of the image, and that the host reaches the registry; nothing was changed',
  )
}

/** Lets the generator read new files, beside the present ones, before one of them is written. */
function* check(work: readonly Work<QuadletSpec, QuadletState>[]): Steps {
  if (work.length === 0) return
  const copy = sh`rm -rf "$T/quadlet"; mkdir "$T/quadlet" || exit 1
for name in ${DIRECTORY}/*.*; do [ ! -f "$name" ] || cp -- "$name" "$T/quadlet" || exit 1; done`
  yield { do: 'shell', script: sh`( ${copy}\n)` }
  for (const { spec } of work) yield { do: 'shell', input: bytesOf(spec.file.content), script: sh`cat >"$T/quadlet"/${spec.name}` }
  // The generator fails for a file of others too, so its output counts.
  const script = sh`QUADLET_UNIT_DIRS="$T/quadlet" ${GENERATOR} --dryrun </dev/null >"$T/generated" 2>"$T/messages" || :
for unit in ${work.map(({ spec }) => spec.unit)}; do grep -qxF -e "---$unit---" "$T/generated" || { grep -vF ': Loading ' "$T/messages" | tail -n 10 >&2; exit 1; }; done
rm -rf "$T/quadlet"`
  requireSuccess(
    yield { do: 'shell', doing: `checking ${work.map(({ id }) => id).join(', ')}`, script: sh`( ${script}\n)` },
    `${work.length === 1 ? `quadlet ${work[0]?.id}` : 'quadlets'} not changed`,
    'correct the content: podman reads it as podman-systemd.unit(5) says; nothing was changed',
  )
}

const asFile = ({ spec, state, change }: Work<QuadletSpec, QuadletState>): Work<FileSpec, FileState> => ({
  ...{ id: spec.file.path, spec: spec.file, state: state.file },
  change,
})

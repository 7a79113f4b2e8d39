import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { file } from '../file/file.ts'
import { textsBefore } from '../file/file-kind.ts'
import { contentOption, definedContent, type FileSpec, type FileState } from '../file/spec.ts'
import { asContent, type Content, hasSecret } from '../kind/content.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { isTemplate } from '../kind/queries.ts'
import { HostRefusal, type Step, type Steps } from '../kind/step.ts'
import { refuseAccidents } from '../kind/unusable.ts'
import { settingLines } from './sandbox.ts'
import { unitName } from './unit-name.ts'

const UNITS = '/etc/systemd/system'

const name = z.string().refine((given) => {
  const [unit, rest, ...more] = given.split('.d/')
  return unitName.safeParse(unit).success && more.length === 0 && (rest === undefined || /^[A-Za-z0-9][A-Za-z0-9_.@-]*\.conf$/.test(rest))
}, 'must be a unit with its suffix, such as shop.service, or a drop-in of one, such as nginx.service.d/limits.conf')

const schema = z
  .strictObject({
    name,
    content: contentOption.optional(),
    state: z.enum(['present', 'absent']).default('present'),
  })
  .refine(definedContent, { message: 'must be text: it is undefined', path: ['content'] })
  .refine(({ content = '' }) => !hasSecret(asContent(content)), {
    message:
      'must not have a secret, because every account can read units; write it to a file of mode 600 and load that (LoadCredential=, EnvironmentFile=)',
    path: ['content'],
  })
  .transform((options) => ({
    name: options.name,
    unit: options.name.split('.d/', 1)[0] ?? '',
    file: file({ path: `${UNITS}/${options.name}`, content: options.content ?? '', state: options.state }).spec,
  }))

type UnitSpec = z.output<typeof schema>

/** The file of a unit, and whether systemd has an older version of it. */
export interface UnitState {
  readonly file: FileState
  readonly stale: boolean
}

/**
 * A unit file or drop-in in /etc/systemd/system, read by systemd. It starts nothing. A `service` with this resource in `restarts` restarts
 * if it changes.
 */
export const unit = defineKind({
  name: 'unit',
  summary: 'unit file or drop-in of systemd',
  schema,
  id: (spec) => spec.name,

  observe: (specs: readonly UnitSpec[]) => {
    const files = file.kind.observe(specs.map((spec) => spec.file))
    return {
      shared: { ...files.shared, units: specs.map((spec) => spec.unit) },
      script: sh``,
      parse: (stdout, answers) => {
        const states = files.parse(stdout, answers)
        return new Map(
          specs.flatMap((spec): readonly (readonly [string, UnitState])[] => {
            const found = states.get(spec.file.path)
            // systemd reads a template for each instance that it loads, so a template itself is never outdated.
            const stale = isTemplate(spec.unit) ? 'no' : answers.units.get(spec.unit)?.get('NeedDaemonReload')
            return found === undefined || stale === undefined ? [] : [[spec.name, { file: found, stale: stale === 'yes' }]]
          }),
        )
      },
    }
  },

  plan: (spec, state: UnitState, context) =>
    file.kind.plan(spec.file, state.file, context) ??
    (state.stale
      ? { action: 'update', certainty: 'exact', reason: 'not read by systemd yet', differences: [], unfinished: true }
      : undefined),

  forbids: (spec, state, context) => file.kind.forbids?.(spec.file, state.file, context),

  effects: (spec) => file.kind.effects?.(spec.file) ?? [],

  *apply(work): Steps {
    const changed = work.filter((one) => one.change.unfinished !== true)
    if (changed.length === 0) yield* withDaemonReload(work, emptyStep())
    else yield* withDaemonReload(work, namedByUnit(changed, file.kind.apply(changed.map(asFile))))
  },

  before: (work) =>
    textsBefore(
      work.map(asFile),
      work.map(({ id }) => id),
    ),
  diff: (work, before) => file.kind.diff?.(asFile(work), before),
  orphan: {
    delete: 'file',
    note: (id) => (id.includes('.d/') ? `${id.split('.d/', 1)[0]} keeps these settings until it restarts` : 'the unit is stopped'),
    stops: true,
  },
  content: (spec) => spec.file.content,
  files: (spec) => file.kind.files?.(spec.file) ?? [],
})

// A backslash at the end of a line continues it on the next one.
const line = z.string().regex(/^([^\p{Cc}]*[^\p{Cc}\\])?$/u, 'must be one line, without a backslash at its end')

const settings = z.record(
  z.string().regex(/^[A-Z][A-Za-z]*$/, 'must be a section such as Service'),
  z.record(z.string().regex(/^[A-Z][A-Za-z0-9]*$/, 'must be a setting such as LimitNOFILE'), z.union([line, z.array(line).readonly()])),
)

/** A drop-in for a unit of the distribution: `settings` by section, or the complete text as `content`. */
export const dropin = (options: {
  readonly unit: string
  readonly name: string
  readonly settings?: z.input<typeof settings>
  readonly content?: string | Content
  readonly state?: 'present' | 'absent'
}): ReturnType<typeof unit> => {
  if (options.content === undefined && options.settings === undefined && options.state !== 'absent')
    throw new TypeError(`the drop-in ${options.name} of ${options.unit} has neither settings nor content`)
  refuseAccidents('dropin', options)
  return unit({
    name: `${options.unit}.d/${options.name}.conf`,
    content: options.content ?? rendered(settings.parse(options.settings ?? {})),
    ...(options.state !== undefined && { state: options.state }),
  })
}

/** A slice that limits the resources of several units together. Units join it with `Slice=NAME.slice`; other units have weight 100. */
export const slice = (options: {
  readonly name: string
  readonly description: string
  readonly cpuWeight: number
  readonly ioWeight: number
  /** In the notation of systemd: `512M`, or a share of the host's memory such as `80%`. */
  readonly memoryMax: string
}): ReturnType<typeof unit> => {
  const limits = { CPUWeight: String(options.cpuWeight), IOWeight: String(options.ioWeight), MemoryMax: options.memoryMax }
  const sections = settings.parse({ Unit: { Description: options.description }, Slice: limits })
  return unit({ name: `${options.name}.slice`, content: `# Written by provision.\n${rendered(sections)}` })
}

const rendered = (sections: z.output<typeof settings>): string =>
  Object.entries(sections)
    .map(([section, values]) => `[${section}]\n${settingLines(values)}`)
    .join('\n')

const asFile = ({ spec, state, change }: Work<UnitSpec, UnitState>): Work<FileSpec, FileState> => ({
  id: spec.file.path,
  spec: spec.file,
  state: state.file,
  change: change,
})

/** A step that changes nothing, for `withDaemonReload`. */
export function* emptyStep(): Steps {
  yield { do: 'shell', script: sh`:` }
}

/** Names the units in a refusal of the file kind, which names their files. */
function* namedByUnit(work: readonly Work<UnitSpec, UnitState>[], steps: Steps): Steps {
  const idsOf = (paths: readonly string[]): readonly string[] =>
    work.filter(({ spec }) => paths.includes(spec.file.path)).map(({ id }) => id)
  try {
    yield* steps
  } catch (error) {
    if (!(error instanceof HostRefusal)) throw error
    const [culprit] = error.culprit === undefined ? [] : idsOf([error.culprit])
    throw new HostRefusal(error.what, error.why, error.fix, { done: idsOf(error.done), culprit })
  }
}

/** Wraps steps of the file kind: creates directories below a standard one before, runs `systemctl daemon-reload` after. */
export function* withDaemonReload(work: readonly { readonly spec: { readonly file: { readonly path: string } } }[], steps: Steps): Steps {
  const directories = [...new Set(work.map(({ spec }) => parentOf(spec.file.path)))].filter((directory) => directory !== UNITS)
  const before = directories.length === 0 ? sh`` : sh`install -d -m 755 ${directories} || exit 1\n`
  const after = directories.length === 0 ? sh`` : sh`rmdir --ignore-fail-on-non-empty ${directories}\n`
  const around = (step: Step): Step =>
    step.do === 'shell'
      ? { ...step, script: sh`${before}( ${step.script}\n) || { status=$?; ${after}exit "$status"; }\n${after}systemctl daemon-reload` }
      : step
  for (let next = steps.next(); next.done !== true; ) next = steps.next(yield around(next.value))
}

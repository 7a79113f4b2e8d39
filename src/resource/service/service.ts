import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { sha256Hex } from '../kind/content.ts'
import {
  type Certainty,
  type Change,
  type Difference,
  defineKind,
  isResource,
  type Owing,
  type PlanContext,
  type Resource,
} from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { applyServices } from './apply.ts'
import type { LoadedFact } from './facts.ts'
import { baselineScript, endsAtOnce, LOAD_FUNCTIONS } from './load.ts'
import { isActive, isEnabled, observeServices, type ServiceState, SHARED_DIRECTORIES } from './observe.ts'
import { type LoadedFile, type ServiceSpec, schema } from './spec.ts'

/**
 * A systemd unit: whether it runs, starts at boot, and has loaded its current configuration. Declare it after the files that it loads, so
 * that it starts with them.
 */
export const service = defineKind({
  name: 'service',
  summary: 'systemd unit: running, enabled, and with its current configuration loaded',
  schema,
  id: ({ unit }) => unit,
  observe: (specs: readonly ServiceSpec[]) => observeServices(specs),

  plan: (spec: ServiceSpec, state: ServiceState, context): Change | undefined => {
    const found = [...stateFindings(spec, state), ...(spec.running && isActive(state) ? loadFindings(spec, state, context) : [])]
    const [first] = found
    if (first === undefined) return undefined
    return {
      action: state.load === 'not-found' ? 'create' : 'update',
      certainty:
        state.load === 'not-found' ? 'dependent' : found.some(({ certainty }) => certainty === 'exact') ? 'exact' : first.certainty,
      reason: found.map(({ reason }) => reason).join(', '),
      differences: found.flatMap(({ difference }) => (difference === undefined ? [] : [difference])),
      ...(found.some(({ unfinished }) => unfinished === true) && { unfinished: true }),
    }
  },

  forbids: (spec, state, context) => {
    const { unit } = spec
    if ((!spec.running && !spec.enabled) || mayAppear(context)) return undefined
    if (state.load === 'not-found')
      return new HostRefusal(
        `unit ${unit} does not exist`,
        'systemd finds no file of this unit, and no earlier change of this run creates one',
        'check the name, or declare the package or unit that creates it first',
      )
    return spec.running && state.endsAtOnce === true && !isActive(state) ? endsAtOnce(unit) : undefined
  },

  triggers: {
    names: () => [],
    resolve: (spec) => spec,
    keys: ({ facts = [] }) => facts.map(({ key }) => key),
    owe: recordLoaded,
  },
  effects: ({ unit, running, enabled }) => [{ unit, running, enabled }],
  orphan: {
    keep: 'services are never stopped automatically; declare it as a resource with running: false to stop it',
    goesWith: (unit) => `/etc/systemd/system/${unit}`,
  },
  apply: applyServices,
})

/** Whether an earlier change of this run may bring or change the unit: a package, a script, or its file. */
const mayAppear = ({ packagesPending, anyPackagesPending, opaquePending, changesBelow }: PlanContext): boolean =>
  packagesPending ||
  anyPackagesPending === true ||
  opaquePending === true ||
  UNIT_DIRECTORIES.some((directory) => changesBelow?.(directory) === true)

/** Directories of units, and of SysV services, that an administrator or role writes to. */
const UNIT_DIRECTORIES = [
  '/etc/systemd/system',
  '/etc/containers/systemd',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/etc/init.d',
]

interface Finding {
  readonly reason: string
  readonly certainty: Certainty
  readonly difference?: Difference
  readonly unfinished?: true
}

const exactFinding = (reason: string, key?: string, from?: string, to?: string): Finding => ({
  reason,
  certainty: 'exact',
  ...(key !== undefined && from !== undefined && to !== undefined && { difference: { key, from, to } }),
})

const unfinished = (reason: string): Finding => ({ ...exactFinding(reason), unfinished: true })

/** Whether a unit that must run or start at boot is masked: systemd refuses to start it. */
export const isMasked = ({ running, enabled }: ServiceSpec, { load }: ServiceState): boolean => load === 'masked' && (running || enabled)

const stateFindings = (spec: ServiceSpec, state: ServiceState): readonly Finding[] => {
  const enabled = isEnabled(state)
  return [
    ...(isMasked(spec, state) ? [exactFinding('masked')] : []),
    ...(spec.running && !isActive(state) ? [exactFinding(notRunningReason(state), 'running', 'no', 'yes')] : []),
    ...(!spec.running && (isActive(state) || state.active === 'activating')
      ? [exactFinding('running instead of stopped', 'running', 'yes', 'no')]
      : []),
    ...(spec.enabled && !enabled ? [exactFinding('not enabled', 'enabled', 'no', 'yes')] : []),
    ...(!spec.enabled && state.enabled.startsWith('enabled') ? [exactFinding('enabled instead of disabled', 'enabled', 'yes', 'no')] : []),
    ...(state.needsDaemonReload ? [exactFinding('changed unit file not read by systemd')] : []),
  ]
}

const notRunningReason = ({ active, sub, result }: ServiceState): string => {
  if (active === 'failed') return `not running, last start failed (${result})`
  if (sub === 'auto-restart') return `restarting after failures (${result})`
  return 'not running'
}

/** Whether a reload is pending: by its stamp if that is valid, otherwise by the change times of its files. */
const loadFindings = (spec: ServiceSpec, state: ServiceState, context: PlanContext): readonly Finding[] => {
  const files = [...spec.loads, ...spec.restarts]
  const loaded = files.length + (spec.facts?.length ?? 0)
  const older = [
    ...files.flatMap((file) => {
      const certainty = staleCertainty(file, state, context)
      return certainty === undefined ? [] : [{ key: file.key, path: file.path, certainty }]
    }),
    ...(spec.facts ?? []).flatMap((fact) => {
      const certainty = factCertainty(fact, state, context)
      return certainty === undefined ? [] : [{ key: fact.key, path: fact.key.replace(':', ' '), certainty }]
    }),
  ]
  const [first] = older
  if (first !== undefined) {
    const more = older.length === 1 ? '' : ` and ${older.length - 1} more`
    return [
      {
        reason: `runs with an older ${first.path}${more}`,
        certainty: older.some(({ certainty }) => certainty === 'exact') ? 'exact' : 'dependent',
        difference: { key: 'loaded', from: 'older', to: older.map(({ path }) => path).join(', ') },
        // A file that this run changes is not the remains of an interrupted run.
        ...(older.some(({ key }) => !context.changes(key)) && { unfinished: true }),
      },
    ]
  }
  if (loaded > 0 && state.stamp === undefined && state.reloadFailed) return [unfinished('last reload failed')]
  if (loaded > 0 && state.stamp === undefined && state.touched) return [unfinished('files changed after it loaded them')]
  const changedDirectories = new Set([...(context.deleted ?? [])].map(parentOf))
  const changedDirectory = files
    .map(({ path }) => parentOf(path))
    .find((directory) => !SHARED_DIRECTORIES.has(directory) && changedDirectories.has(directory))
  if (changedDirectory !== undefined) return [exactFinding(`orphan in ${changedDirectory} to be deleted`)]
  return state.unfinishedSet ? [unfinished('earlier change of its files interrupted')] : []
}

const staleCertainty = (
  { path, sha256, key }: LoadedFile,
  { stamp, onDisk }: ServiceState,
  context: PlanContext,
): Certainty | undefined => {
  const edited = context.edited?.(path)
  if (edited?.after !== undefined) return stamp?.sums.get(path) === sha256Hex(edited.after) ? undefined : 'exact'
  const later = sha256 === 'later' || sha256 === 'disk'
  if (later && context.changes(key)) return 'dependent'
  if (stamp === undefined) return context.changes(key) ? 'exact' : undefined
  const loaded = stamp.sums.get(path)
  const wanted = later ? onDisk.get(path) : sha256
  // A path that is not a file has no digest and was not loaded.
  return wanted !== undefined && loaded === wanted ? undefined : 'exact'
}

/** A package can be changed without another version. */
const factCertainty = ({ key, is }: LoadedFact, { stamp, facts }: ServiceState, { changes }: PlanContext): Certainty | undefined => {
  if (changes(key)) return is === 'package' ? 'dependent' : 'exact'
  return stamp === undefined || facts?.loaded.get(key) === facts?.now.get(key) ? undefined : 'exact'
}

/**
 * Records what running services have loaded, before a run changes one of their facts. Files have times, by which a service without a stamp
 * is found to be older than they are; a version and a mode have none.
 */
function* recordLoaded(owing: readonly Owing<ServiceSpec, ServiceState>[]): Steps {
  const running = owing.filter(({ state }) => isActive(state) && state.stamp === undefined)
  if (running.length === 0) return
  const answer = yield {
    do: 'shell',
    doing: 'recording what services have loaded',
    script: sh`${LOAD_FUNCTIONS}${running.map(({ spec: { unit, loads, restarts, facts = [] }, state }) => {
      const files = state.touched ? [] : [...loads, ...restarts].map(({ path }) => path)
      return sh`${baselineScript({ unit, files: [...new Set(files)], facts })} || exit 1
`
    })}`,
  }
  requireSuccess(answer, 'it was not recorded what services have loaded', 'repair what the host reports; no resource was changed')
}

const isService = (value: unknown): value is Resource<ServiceSpec> => isResource(value) && value.kind.name === service.kind.name

/** Schema of an option that is a service, for kinds that manage one: a member of a cluster, a primary. */
export const serviceOption = z
  .custom<Resource<ServiceSpec>>(isService, 'must be a service')
  .register(yamlForms, { form: 'resources' })
  .transform(({ spec }) => spec)

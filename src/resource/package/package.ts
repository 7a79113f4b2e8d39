import { MADE_IN_THIS_RUN } from '../kind/content.ts'
import { describeDifferences } from '../kind/differences.ts'
import { type Certainty, type Change, type Difference, defineKind, type PlanContext } from '../kind/kind.ts'
import { installPackages } from './apply.ts'
import { isUnfinished, observePackages, type PackageState } from './observe.ts'
import { impossibilityOf, shutOut } from './simulate.ts'
import { isAptNeeded, isVersion, type PackageSpec, schema } from './spec.ts'

/** A Debian package. Its installation starts no services: the kind `service` starts them, with our configuration. */
export const pkg = defineKind({
  name: 'package',
  summary: 'Debian package',
  schema,
  id: ({ name }) => name,
  affectsLater: true,
  observe: (specs: readonly PackageSpec[]) => {
    const requested = new Map(specs.map((spec) => [spec.name, spec]))
    return observePackages([...requested.values()], (name, state) => {
      const spec = requested.get(name)
      return spec !== undefined && changeOf(spec, state) === undefined
    })
  },

  plan: (spec, state: PackageState, context): Change | undefined => {
    const change = changeOf(spec, state)
    if (change !== undefined)
      return { ...change, certainty: certaintyOf(spec, state, context), differences: withCandidate(spec, change, context) }
    return state.debt === undefined ? undefined : { action: 'update', certainty: 'exact', reason: state.debt, differences: [], debt: true }
  },

  forbids: (spec, state, context) => {
    const { simulated } = state
    if (simulated === undefined || changeOf(spec, state) === undefined || !isAptNeeded(spec, state)) return undefined
    const shut = shutOut(spec, simulated)
    if (shut !== undefined || !simulated.isFinal || changesSources(context) || context.opaquePending === true) return shut
    return impossibilityOf(spec, simulated)
  },

  orphan: {
    keep: 'other software may need the package; declare it with state: absent to delete it, in the options of its role or as a resource',
  },
  apply: installPackages,
  aspect: ({ name }) => ({ is: 'package', of: name }),
})

/** Directories whose files decide what apt can install. */
const SOURCES = ['sources.list.d', 'preferences.d', 'keyrings', 'trusted.gpg.d', 'auth.conf.d'].map((name) => `/etc/apt/${name}`)

/** Whether earlier changes of this run decide what apt can install. */
export const changesSources = ({ changes, changesBelow }: PlanContext): boolean =>
  changes('file:/etc/apt/sources.list') || SOURCES.some((directory) => changesBelow?.(directory) === true)

/** `exact` if apt said that it can, with the package lists that it will use. */
const certaintyOf = (spec: PackageSpec, state: PackageState, context: PlanContext): Certainty => {
  const { simulated, status } = state
  if (isUnfinished(status) || !isAptNeeded(spec, state)) return 'exact'
  const isPossible = simulated?.isPossible === true && impossibilityOf(spec, simulated) === undefined
  return isPossible && !changesSources(context) ? 'exact' : 'dependent'
}

/** The candidate of a new package is not known before the lists of a new repository are read. */
const withCandidate = ({ version }: PackageSpec, { action, differences }: Change, context: PlanContext): Change['differences'] =>
  action === 'create' && (version === undefined || version.endsWith('*')) && changesSources(context)
    ? [{ key: 'version', to: MADE_IN_THIS_RUN }, ...differences.filter(({ key }) => key !== 'version')]
    : differences

const changeOf = (spec: PackageSpec, state: PackageState): Change | undefined => {
  const { version } = spec
  const isAbsent = spec.state === 'absent'
  if (isUnfinished(state.status)) {
    const action = isAbsent ? 'delete' : 'update'
    return { action, certainty: 'exact', reason: `installation interrupted (${state.status})`, differences: [], debt: true }
  }
  const hold = spec.hold === undefined || spec.hold === state.held ? [] : [{ key: 'hold', from: yesNo(state.held), to: yesNo(spec.hold) }]
  const candidate = version?.endsWith('*') === true ? candidateOf(spec, state) : version
  if (state.status !== 'installed') {
    const versions = candidate === undefined ? [] : [{ key: 'version', to: candidate }]
    if (isAbsent) return state.residual === true ? { ...DELETE, reason: 'its configuration files are left', differences: [] } : undefined
    return { action: 'create', certainty: 'exact', reason: 'not installed', differences: [...versions, ...hold] }
  }
  if (isAbsent)
    return { ...DELETE, reason: 'declared absent', differences: [{ key: 'version', from: state.version }, ...goesToo(spec, state)] }
  const isCurrent = version === undefined || isVersion(version, state.version)
  if (isCurrent && hold.length === 0) return undefined
  const versions = isCurrent ? [] : [{ key: 'version', from: state.version, to: candidate ?? version }]
  const differences = [...versions, ...hold]
  return { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
}

const DELETE = { action: 'delete', certainty: 'exact' } as const
const yesNo = (value: boolean): string => (value ? 'yes' : 'no')

/** The version that apt has chosen for the beginning of one. */
const candidateOf = ({ name, version }: PackageSpec, { simulated }: PackageState): string | undefined =>
  simulated?.versions?.get(name) ?? simulated?.versions?.get(name.split(':')[0] ?? '') ?? version

/** What the removal of a package removes beside it. */
const goesToo = ({ purge, autoremove }: PackageSpec, { simulated }: PackageState): readonly Difference[] => [
  ...(purge ? [{ key: 'configuration files', to: 'deleted' }] : []),
  ...(autoremove && simulated?.unneeded !== undefined ? [{ key: 'needed no more', to: `${simulated.unneeded.join(', ')}: removed` }] : []),
]

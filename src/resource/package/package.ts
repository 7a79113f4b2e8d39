import { MADE_IN_THIS_RUN } from '../kind/content.ts'
import { type Certainty, type Change, defineKind, type PlanContext } from '../kind/kind.ts'
import { installPackages } from './apply.ts'
import { isUnfinished, observePackages, type PackageState } from './observe.ts'
import { impossibilityOf, shutOut } from './simulate.ts'
import { type PackageSpec, schema } from './spec.ts'

/** A Debian package. Its installation starts no services: the kind `service` starts them, with our configuration. */
export const pkg = defineKind({
  name: 'package',
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
    if (simulated === undefined || changeOf(spec, state) === undefined) return undefined
    const shut = shutOut(spec, simulated)
    if (shut !== undefined || !simulated.isFinal || changesSources(context) || context.opaquePending === true) return shut
    return impossibilityOf(spec, simulated)
  },

  orphan: {
    keep: 'other software may need the package; declare it with state: absent to delete it, in the options of its role or as a resource',
  },
  apply: installPackages,
})

/** Directories whose files decide what apt can install. */
const SOURCES = ['sources.list.d', 'preferences.d', 'keyrings', 'trusted.gpg.d', 'auth.conf.d'].map((name) => `/etc/apt/${name}`)

/** Whether earlier changes of this run decide what apt can install. */
const changesSources = ({ changes, changesBelow }: PlanContext): boolean =>
  changes('file:/etc/apt/sources.list') || SOURCES.some((directory) => changesBelow?.(directory) === true)

/** `exact` if apt said that it can, with the package lists that it will use. */
const certaintyOf = (spec: PackageSpec, { simulated, status }: PackageState, context: PlanContext): Certainty => {
  if (isUnfinished(status)) return 'exact'
  const isPossible = simulated?.isPossible === true && impossibilityOf(spec, simulated) === undefined
  return isPossible && !changesSources(context) ? 'exact' : 'dependent'
}

/** The candidate of a new package is not known before the lists of a new repository are read. */
const withCandidate = ({ version }: PackageSpec, { action, differences }: Change, context: PlanContext): Change['differences'] =>
  action === 'create' && version === undefined && changesSources(context) ? [{ key: 'version', to: MADE_IN_THIS_RUN }] : differences

const changeOf = (spec: PackageSpec, state: PackageState): Change | undefined => {
  const { version } = spec
  const isAbsent = spec.state === 'absent'
  const versions = version === undefined ? [] : [{ key: 'version', from: state.version, to: version }]
  if (isUnfinished(state.status)) {
    const action = isAbsent ? 'delete' : 'update'
    return { action, certainty: 'exact', reason: `installation interrupted (${state.status})`, differences: [], debt: true }
  }
  if (state.status !== 'installed')
    return isAbsent
      ? undefined
      : {
          action: 'create',
          certainty: 'exact',
          reason: 'not installed',
          differences: version === undefined ? [] : [{ key: 'version', to: version }],
        }
  if (isAbsent)
    return { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [{ key: 'version', from: state.version }] }
  if (version === undefined || version === state.version) return undefined
  return { action: 'update', certainty: 'exact', reason: 'version differs', differences: versions }
}

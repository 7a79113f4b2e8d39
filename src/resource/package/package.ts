import { type Change, defineKind } from '../kind/kind.ts'
import { installPackages } from './apply.ts'
import { isUnfinished, observePackages, type PackageState } from './observe.ts'
import { type PackageSpec, schema } from './spec.ts'

/** A Debian package. Its installation starts no services: the kind `service` starts them, with our configuration. */
export const pkg = defineKind({
  name: 'package',
  schema,
  id: ({ name }) => name,
  affectsLater: true,
  observe: (specs: readonly PackageSpec[]) => {
    const requested = new Map(specs.map((spec) => [spec.name, spec]))
    return observePackages([...requested.keys()], (name, state) => {
      const spec = requested.get(name)
      return spec !== undefined && changeOf(spec, state) === undefined
    })
  },

  plan: (spec, state: PackageState): Change | undefined =>
    changeOf(spec, state) ??
    (state.debt === undefined ? undefined : { action: 'update', certainty: 'exact', reason: state.debt, differences: [], debt: true }),

  orphan: { keep: 'other software may need the package; declare it with state: absent to delete it' },
  apply: installPackages,
})

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

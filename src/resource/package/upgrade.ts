import { firstNames } from '../../first-names.ts'
import { type Change, defineKind, type PlanContext } from '../kind/kind.ts'
import { HostRefusal } from '../kind/step.ts'
import { changesSources } from './package.ts'
import { fixFor, shutOut } from './simulate.ts'
import { applyUpgrades } from './upgrade-apply.ts'
import { observeUpgrades } from './upgrade-observe.ts'
import { schema, type UpgradeState, wanted } from './upgrade-spec.ts'

/** Whether an earlier change of this run may decide what apt can upgrade. */
const mayChange = (context: PlanContext): boolean =>
  context.mayBringMore === true || context.anyPackagesPending === true || context.opaquePending === true || changesSources(context)

/** Upgrades of the installed packages. Packages on hold keep their version. A reboot that they need is a resource of its own (`reboot`). */
export const upgrade = defineKind({
  name: 'upgrade',
  summary: 'upgrades of the installed packages',
  schema,
  id: ({ name }) => name,
  observe: observeUpgrades,

  plan: (spec, state: UpgradeState, context): Change | undefined => {
    const pending = wanted(spec, state)
    if (state.isFresh && pending.length === 0 && state.isPossible) return undefined
    const found = pending.length === 1 ? '1 upgrade' : `${pending.length} upgrades`
    const age = `package lists are missing, older than their sources, or older than ${spec.cacheHours} h`
    return {
      action: 'update',
      certainty: state.isFresh && state.isPossible && !mayChange(context) ? 'exact' : 'dependent',
      reason: state.isFresh ? found : `${age}; ${found} in them`,
      differences: [
        ...pending.map(({ name, from, to }) => ({ key: name, ...(from !== undefined && { from }), to })),
        ...(spec.packages === 'all' ? state.removes.map((name) => ({ key: name, to: 'removed' })) : []),
      ],
    }
  },

  notices: (_, { kept }) =>
    kept.length === 0 ? [] : [`apt keeps the version of ${firstNames(kept)}: held, phased, or in need of a removal`],

  forbids: (spec, state, context) => {
    const { words, removes, usesSudo, isPossible, isFresh } = state
    if (spec.packages === 'all' && removes.length > 0) {
      const shut = shutOut({ name: 'upgrade', state: 'present', autoremove: false }, { usesSudo, removes })
      if (shut !== undefined) return shut
    }
    return isPossible || !isFresh || mayChange(context)
      ? undefined
      : new HostRefusal('packages cannot be upgraded', words.slice(-20).join('\n'), fixFor(words.join('\n'), 'NAME'))
  },

  orphan: { forget: true },
  apply: applyUpgrades,
})

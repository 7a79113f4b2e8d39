import { trialHistory } from '../guarded/trial.ts'
import { sha256Hex } from '../kind/content.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { applyTable } from './apply.ts'
import { describeDifference } from './describe.ts'
import { foreignNotices } from './foreign.ts'
import { describeDrift, formatListing } from './listing.ts'
import { bootFileOf, idOf, readTables, type TableState, tablesScript, tableTexts } from './observe.ts'
import { type NftablesSpec, schema } from './spec.ts'

/**
 * One nftables table of ours: the rules in force, and those that come back after a boot. New rules are in force for good only
 * when a new connection came in through them; else the host puts the old ones back by itself.
 */
export const nftables = defineKind({
  name: 'nftables',
  schema,
  id: (spec) => idOf(spec),

  observe: (specs: readonly NftablesSpec[]) => ({
    shared: { texts: specs.length === 0 ? [] : tableTexts(specs) },
    script: specs.length === 0 ? '' : tablesScript(specs),
    parse: (stdout, answers) => (specs.length === 0 ? new Map() : readTables(stdout, answers, specs)),
  }),

  plan: (spec, state): Change | undefined => {
    const differences = differencesOf(spec, state)
    const history = trialHistory('rules', state)
    if (differences.length === 0 && history === undefined) return undefined
    return {
      action: state.live === undefined ? 'create' : 'update',
      certainty: 'exact',
      reason: [...(history === undefined ? [] : [history]), ...differences.map(reasonOf)].join('; '),
      // The reason says it, and the diff shows it.
      differences: [],
      ...(state.pending === 'this boot' ? { debt: true } : {}),
    }
  },

  orphan: { keep: 'a firewall is not taken down for being left out' },
  apply: applyTable,

  notices: (spec, state) => foreignNotices(spec.text, state.foreign),

  diff: ({ spec, state }) => {
    const { before, after, listed } = sidesOf(spec, state)
    const full = { before: listed ? formatListing(before) : before, after: listed === 'both' ? formatListing(after) : after }
    const words = describeDifference(before, after, [spec.text, state.boot ?? '', state.ours ?? ''])
    return words.before === words.after || isInForce(spec, state) ? full : { ...words, full }
  },

  files: (spec) => [{ path: bootFileOf(spec), sha256: sha256Hex(spec.text) }],
})

/** Only what is loaded at boot can differ then, and that is a file. */
const isInForce = ({ text }: NftablesSpec, { live, ours, stamp }: TableState): boolean =>
  live !== undefined && stamp === sha256Hex(text) && describeDrift(ours ?? '', live).length === 0

/** While our own text is in force a person compares that; once somebody changed the rules, what the kernel says. */
const sidesOf = ({ text }: NftablesSpec, state: TableState): { before: string; after: string; listed?: 'before' | 'both' } => {
  if (state.live === undefined) return { before: '', after: text }
  const isDrifted = describeDrift(state.ours ?? '', state.live).length > 0
  // Rules that are being tried were not written by hand; what they are to replace is what a boot would bring.
  const isTried = state.stamp !== sha256Hex(text) && (state.pending === 'this boot' || state.unkept)
  if ((!isDrifted || isTried) && state.boot !== undefined) return { before: state.boot, after: text }
  if (isDrifted && state.stamp === sha256Hex(text)) return { before: state.live, after: state.ours ?? '', listed: 'both' }
  return { before: state.live, after: text, listed: 'before' }
}

const differencesOf = ({ text }: NftablesSpec, state: TableState): readonly Difference[] => {
  if (state.live === undefined) return [{ key: 'table', from: state.stamp === undefined ? 'missing' : 'gone' }]
  const drift = describeDrift(state.ours ?? '', state.live).join(', ')
  const drifted = drift === '' ? [] : [{ key: 'drift', from: drift }]
  if (state.stamp === sha256Hex(text)) return [...drifted, ...(state.boot === text ? [] : [{ key: 'boot file' }])]
  // Rules that were never ours, or are being tried, have not been changed by hand.
  return [{ key: 'rules' }, ...(state.ours === undefined || state.pending === 'this boot' || state.unkept ? [] : drifted)]
}

const reasonOf = ({ key, from }: Difference): string =>
  key === 'drift' || (key === 'table' && from !== 'gone')
    ? (from ?? '')
    : ({ table: 'the table is gone' }[key] ?? `${key} differ${key.endsWith('s') ? '' : 's'}`)

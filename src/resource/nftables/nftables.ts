import { sh } from '../../shell/sh.ts'
import { trialHistory } from '../guarded/trial.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences } from '../kind/differences.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { applyTable } from './apply.ts'
import { describeDifference } from './describe.ts'
import { foreignNotices } from './foreign.ts'
import { describeDrift, formatListing } from './listing.ts'
import { bootFileOf, idOf, readTables, type TableState, tablesScript, tableTexts } from './observe.ts'
import { type NftablesSpec, schema } from './spec.ts'

/**
 * Our nftables table: the active rules, and those that a boot loads. New rules are kept only if a new connection confirms them; otherwise
 * the host restores the old ones on its own.
 */
export const nftables = defineKind({
  name: 'nftables',
  summary: 'nftables table of provision, kept only if a new connection confirms it',
  schema,
  id: (spec) => idOf(spec),

  observe: (specs: readonly NftablesSpec[]) => ({
    shared: { texts: specs.length === 0 ? [] : tableTexts(specs) },
    script: specs.length === 0 ? sh`` : tablesScript(specs),
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
      // Shown by the reason and the diff.
      differences: [],
      ...(state.pending === 'this boot' ? { debt: true } : {}),
    }
  },

  orphan: { keep: 'firewall rules are never deleted automatically' },
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

/** Whether the rules are active, so that only the boot file can differ. */
const isInForce = ({ text }: NftablesSpec, { live, ours, stamp }: TableState): boolean =>
  live !== undefined && stamp === sha256Hex(text) && describeDrift(ours ?? '', live).length === 0

/** The two sides of a diff: our texts if they are active, otherwise the listing of the kernel. */
const sidesOf = ({ text }: NftablesSpec, state: TableState): { before: string; after: string; listed?: 'before' | 'both' } => {
  if (state.live === undefined) return { before: '', after: text }
  const isDrifted = describeDrift(state.ours ?? '', state.live).length > 0
  // Unconfirmed rules are not manual changes; they replace those that a boot would load.
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
  // Foreign or unconfirmed rules are not manual changes.
  return [{ key: 'rules' }, ...(state.ours === undefined || state.pending === 'this boot' || state.unkept ? [] : drifted)]
}

const reasonOf = (difference: Difference): string => {
  const { key, from } = difference
  if (key === 'drift' || (key === 'table' && from !== 'gone')) return from ?? ''
  return key === 'table' ? 'table deleted' : describeDifferences([difference])
}

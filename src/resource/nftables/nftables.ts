import { z } from 'zod'
import { historyOf } from '../guarded/trial.ts'
import { sha256Hex } from '../kind/content.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { applyTable } from './apply.ts'
import { wordsBetween } from './describe.ts'
import { foreignNotices } from './foreign.ts'
import { driftInWords, shownListing } from './listing.ts'
import { bootFileOf, idOf, readTables, type TableState, tablesScript, tableTexts } from './observe.ts'

const schema = z
  .strictObject({
    table: z
      .string()
      .regex(/^[a-z][a-z0-9_]*$/, 'must be a table name: small letters, digits and _')
      .default('provision')
      .meta({ description: 'our table; those of others are never touched' }),
    family: z.enum(['inet', 'ip', 'ip6', 'arp', 'bridge', 'netdev']).default('inet'),
    rules: z
      .string()
      .refine((rules) => isBalanced(rules), 'has a brace too many or too few: it would end our table early')
      .meta({ description: 'what stands between the braces of the table (nft(8)); numbers, not names, for ports' }),
    confirmSeconds: z
      .int()
      .min(5)
      .max(600)
      .default(30)
      .meta({ description: 'how long the host waits for somebody to come in through new rules before it puts the old ones back' }),
  })
  .transform((spec) => ({ ...spec, text: tableText(spec) }))

export type NftablesSpec = z.output<typeof schema>

/** What lies in quotes or behind a # is no brace to nft. */
const isBalanced = (rules: string): boolean => {
  let depth = 0
  for (const brace of rules.replaceAll(/"[^"\n]*"|#[^\n]*/g, '').replaceAll(/[^{}]/g, '')) {
    depth += brace === '{' ? 1 : -1
    if (depth < 0) return false
  }
  return depth === 0
}

// Declaring the table before deleting it makes this work whether or not there is one; all of it is one transaction.
const tableText = ({ table, family, rules }: { table: string; family: string; rules: string }): string =>
  `# Written by provision. Changes made here are found and undone by its next run.
table ${family} ${table}
delete table ${family} ${table}
table ${family} ${table} {
${rules.trimEnd()}
}
`

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
    parse: (stdout, said) => (specs.length === 0 ? new Map() : readTables(stdout, said, specs)),
  }),

  plan: (want, seen): Change | undefined => {
    const differences = differencesOf(want, seen)
    const history = historyOf('rules', seen)
    if (differences.length === 0 && history === undefined) return undefined
    return {
      action: seen.live === undefined ? 'create' : 'update',
      certainty: 'exact',
      reason: [...(history === undefined ? [] : [history]), ...differences.map(reasonOf)].join('; '),
      // The reason says it, and the diff shows it.
      differences: [],
      ...(seen.pending === 'this boot' ? { debt: true } : {}),
    }
  },

  orphan: { keep: 'a firewall is not taken down for being left out' },
  apply: applyTable,

  notices: (spec, seen) => foreignNotices(spec.text, seen.foreign),

  diff: ({ spec, state: seen }) => {
    const { before, after, listed } = sidesOf(spec, seen)
    const full = { before: listed ? shownListing(before) : before, after: listed === 'both' ? shownListing(after) : after }
    const words = wordsBetween(before, after, [spec.text, seen.boot ?? '', seen.ours ?? ''])
    return words.before === words.after || isInForce(spec, seen) ? full : { ...words, full }
  },

  files: (spec) => [{ path: bootFileOf(spec), sha256: sha256Hex(spec.text) }],
})

/** Only what is loaded at boot can differ then, and that is a file. */
const isInForce = ({ text }: NftablesSpec, { live, ours, stamp }: TableState): boolean =>
  live !== undefined && stamp === sha256Hex(text) && driftInWords(ours ?? '', live).length === 0

/** While our own text is in force a person compares that; once somebody changed the rules, what the kernel says. */
const sidesOf = ({ text }: NftablesSpec, seen: TableState): { before: string; after: string; listed?: 'before' | 'both' } => {
  if (seen.live === undefined) return { before: '', after: text }
  const isTouched = driftInWords(seen.ours ?? '', seen.live).length > 0
  // Rules that are being tried were not written by hand; what they are to replace is what a boot would bring.
  const isTried = seen.stamp !== sha256Hex(text) && (seen.pending === 'this boot' || seen.unkept)
  if ((!isTouched || isTried) && seen.boot !== undefined) return { before: seen.boot, after: text }
  if (isTouched && seen.stamp === sha256Hex(text)) return { before: seen.live, after: seen.ours ?? '', listed: 'both' }
  return { before: seen.live, after: text, listed: 'before' }
}

const differencesOf = ({ text }: NftablesSpec, seen: TableState): readonly Difference[] => {
  if (seen.live === undefined) return [{ key: 'table', from: seen.stamp === undefined ? 'not there' : 'gone' }]
  const drift = driftInWords(seen.ours ?? '', seen.live).join(', ')
  const drifted = drift === '' ? [] : [{ key: 'drift', from: drift }]
  if (seen.stamp === sha256Hex(text)) return [...drifted, ...(seen.boot === text ? [] : [{ key: 'boot file' }])]
  // Rules that were never ours, or are being tried, have not been changed by hand.
  return [{ key: 'rules' }, ...(seen.ours === undefined || seen.pending === 'this boot' || seen.unkept ? [] : drifted)]
}

const reasonOf = ({ key, from }: Difference): string =>
  key === 'drift' || (key === 'table' && from !== 'gone')
    ? (from ?? '')
    : ({ table: 'the table is gone' }[key] ?? `${key} differ${key.endsWith('s') ? '' : 's'}`)

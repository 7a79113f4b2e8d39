import { CONTROLLER, type Plan, type PlannedChange, type Rollout } from '../engine/plan/plan.ts'
import type { Action } from '../resource/kind/kind.ts'
import { diffLines } from './diff.ts'
import { count, hanging, inLine, width, words, wrap } from './text.ts'
import type { View } from './view.ts'

/** Returns the plan by play, role and hosts. Changes that are the same on several hosts are shown once. */
export const planLines = ({ changes, rollouts = [] }: Plan, playNames: readonly string[], view: View): readonly string[] => {
  const { paint } = view
  const shown = view.verbose ? changes : changes.map(({ fullDiff: _, ...change }) => change)
  const byPlay = Map.groupBy(shown, ({ play }) => play)
  return [...byPlay].flatMap(([play, ofPlay]) => [
    '',
    paint.bold(inLine(playNames[play] ?? `play ${play + 1}`)),
    ...rollouts.filter((rollout) => rollout.play === play).map((rollout) => paint.dim(`  ${words(rolloutText(rollout))}`)),
    ...[...Map.groupBy(ofPlay, ({ role }) => role)].flatMap(([role, ofRole]) =>
      sharedChanges(ofRole).flatMap(({ hosts, changes }) => [
        '',
        ...heading(role, hosts, view),
        ...changes.flatMap((change) => changeLines(change, view).map((line) => (line === '' ? '' : `    ${line}`))),
      ]),
    ),
  ])
}

/** `one at a time; each is drained from lb-01 while it changes`. */
const rolloutText = ({ serial, at }: Rollout): string => {
  const sizes = serial.map((size) => (size === 1 ? 'one' : String(size)))
  const [last = '', ...first] = sizes.toReversed()
  const order = [...first.toReversed().map((size, i) => (i === 0 ? `${size} first` : size)), `${last} at a time`].join(', then ')
  return at.length === 0 ? order : `${order}; each is drained from ${at.join(' and ')} while it changes`
}

/** Returns the number of changes by place and action: `34 changes on 3 hosts  20 to create · 14 to update`. */
export const planHeadline = ({ changes }: Plan, { paint }: View): string => {
  const hosts = new Set(changes.map(({ host }) => host))
  const hasController = hosts.delete(CONTROLLER)
  const places = [...(hosts.size === 0 ? [] : [count(hosts.size, 'host')]), ...(hasController ? ['the controller'] : [])]
  const actions = (['create', 'update', 'delete', 'run'] as const).flatMap((action) => {
    const total = changes.filter((change) => change.action === action).length
    return total === 0 ? [] : [colour(action, paint)(`${total} to ${action}`)]
  })
  return `${paint.bold(`${count(changes.length, 'change')} on ${places.join(' and ')}`)}  ${actions.join(paint.dim(' · '))}`
}

interface SharedChanges {
  readonly hosts: readonly string[]
  readonly changes: readonly PlannedChange[]
}

/** Groups changes that print the same under all their hosts. */
const sharedChanges = (changes: readonly PlannedChange[]): readonly SharedChanges[] => {
  const same = Map.groupBy(changes, ({ host: _, ...rest }) => JSON.stringify(rest))
  const distinct = [...same.values()].flatMap((each) => {
    const [change] = each
    return change === undefined ? [] : [{ change, hosts: each.map(({ host }) => host) }]
  })
  return [...Map.groupBy(distinct, ({ hosts }) => hosts.join(' ')).values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [{ hosts: first.hosts, changes: group.map(({ change }) => change) }]
  })
}

const heading = (role: string, hosts: readonly string[], { paint, columns }: View): readonly string[] => {
  const names = hosts.length > 4 ? `${count(hosts.length, 'host')}: ${hosts.join(' ')}` : hosts.join(' ')
  const indent = width(role) + 4
  return wrap(inLine(names), columns - indent).map((piece, i) =>
    i === 0 ? `  ${paint.cyan(inLine(role))}  ${paint.bold(piece)}` : `${' '.repeat(indent)}${paint.bold(piece)}`,
  )
}

const symbols: Readonly<Record<Action, string>> = { create: '+', update: '~', delete: '-', run: '!' }

const colour = (action: Action, paint: View['paint']): ((text: string) => string) =>
  ({ create: paint.green, update: paint.yellow, delete: paint.red, run: paint.blue })[action]

const certainties = { exact: ', exact', dependent: ', depends on another change', opaque: ', opaque: cannot be predicted' } as const

/** Returns the lines of one change: `~ file /etc/motd  content differs`, its settings and its diff. */
export const changeLines = (change: PlannedChange, view: View): readonly string[] => {
  const { paint, columns } = view
  const { action, resource, reason, certainty, diff, fullDiff, differences } = change
  const diffOf = (text: string | undefined): readonly string[] =>
    text === undefined || text === '' ? [] : diffLines(text, { ...view, columns: columns - 10 }).map((line) => `    ${line}`)
  const symbol = colour(action, paint)(symbols[action])
  if (change.bookkeeping === true) return [paint.dim(`${symbols[action]} ${inLine(nameOf(resource))}  record of managed resources`)]
  // A setting without values is in the reason.
  const settings = differences.filter(
    ({ key, from, to }) => (diff === undefined || key !== 'content') && (from !== undefined || to !== undefined),
  )
  return [
    `${symbol} ${inLine(nameOf(resource))}  ${paint.dim(hanging(reason) + certainties[certainty])}`,
    ...settings.flatMap(({ key, from, to }) =>
      wrap(inLine(`${key}: ${[from, to].flatMap((side) => (side === undefined ? [] : [side])).join(' → ')}`), columns - 10).map(
        (line) => `    ${paint.dim(line)}`,
      ),
    ),
    ...diffOf(diff),
    ...(view.verbose && fullDiff ? ['', `    ${paint.dim('full diff:')}`, ...diffOf(fullDiff)] : []),
  ]
}

/** Returns `kind:identity` as two words. */
const nameOf = (resource: string): string => resource.replace(':', ' ')

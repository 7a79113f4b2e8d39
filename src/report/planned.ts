import { CONTROLLER, type Plan, type PlannedChange, type Rollout } from '../engine/plan/plan.ts'
import type { Action } from '../resource/kind/kind.ts'
import { diffLines } from './diff.ts'
import { count, hanging, inLine, width, words, wrap } from './text.ts'
import type { View } from './view.ts'

/** The plan as people read it: by play, role and hosts; what is the same on several hosts stands there once. */
export const planLines = ({ changes, rollouts: manners = [] }: Plan, playNames: readonly string[], view: View): readonly string[] => {
  const { paint } = view
  const shownOf = view.verbose ? changes : changes.map(({ fullDiff: _, ...change }) => change)
  const byPlay = Map.groupBy(shownOf, ({ play }) => play)
  return [...byPlay].flatMap(([play, ofPlay]) => [
    '',
    paint.bold(inLine(playNames[play] ?? `play ${play + 1}`)),
    ...manners.filter((manner) => manner.play === play).map((manner) => paint.dim(`  ${words(mannerWords(manner))}`)),
    ...[...Map.groupBy(ofPlay, ({ role }) => role)].flatMap(([role, ofRole]) =>
      shared(ofRole).flatMap(({ hosts, changes }) => [
        '',
        ...heading(role, hosts, view),
        ...changes.flatMap((change) => changeLines(change, view).map((line) => (line === '' ? '' : `    ${line}`))),
      ]),
    ),
  ])
}

/** `one at a time; each is taken out of lb-01 meanwhile`. */
const mannerWords = ({ serial, at }: Rollout): string => {
  const sizes = serial.map((size) => (size === 1 ? 'one' : String(size)))
  const [last = '', ...first] = sizes.toReversed()
  const order = [...first.toReversed().map((size, i) => (i === 0 ? `${size} first` : size)), `${last} at a time`].join(', then ')
  return at.length === 0 ? order : `${order}; each is taken out of ${at.join(' and ')} meanwhile`
}

/** How many changes, where, and of which sort: `34 changes on 3 hosts  20 to create · 14 to update`. */
export const planHeadline = ({ changes }: Plan, { paint }: View): string => {
  const hosts = new Set(changes.map(({ host }) => host))
  const controller = hosts.delete(CONTROLLER)
  const places = [...(hosts.size === 0 ? [] : [count(hosts.size, 'host')]), ...(controller ? ['the controller'] : [])]
  const sorts = (['create', 'update', 'delete', 'run'] as const).flatMap((action) => {
    const number = changes.filter((change) => change.action === action).length
    return number === 0 ? [] : [colour(action, paint)(`${number} to ${action}`)]
  })
  return `${paint.bold(`${count(changes.length, 'change')} on ${places.join(' and ')}`)}  ${sorts.join(paint.dim(' · '))}`
}

interface Shared {
  readonly hosts: readonly string[]
  readonly changes: readonly PlannedChange[]
}

/** Changes that read the same are told once, under all the hosts that they concern. */
const shared = (changes: readonly PlannedChange[]): readonly Shared[] => {
  const same = Map.groupBy(changes, ({ host: _, ...rest }) => JSON.stringify(rest))
  const once = [...same.values()].flatMap((each) => {
    const [change] = each
    return change === undefined ? [] : [{ change, hosts: each.map(({ host }) => host) }]
  })
  return [...Map.groupBy(once, ({ hosts }) => hosts.join(' ')).values()].flatMap((group) => {
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

const certainties = { exact: ', exact', dependent: ', depends on another change', opaque: ', opaque: cannot be foreseen' } as const

/** One change: `~ file /etc/motd  content differs`, its settings, its diff. */
export const changeLines = (change: PlannedChange, view: View): readonly string[] => {
  const { paint, columns } = view
  const { action, resource, reason, certainty, diff, fullDiff, differences } = change
  const shown = (text: string | undefined): readonly string[] =>
    text === undefined || text === '' ? [] : diffLines(text, { ...view, columns: columns - 10 }).map((line) => `    ${line}`)
  const symbol = colour(action, paint)(symbols[action])
  // What we note on the host about what we own: bookkeeping, told but not spelt out.
  if (change.bookkeeping === true) return [paint.dim(`${symbols[action]} ${inLine(name(resource))}  our record of what is managed`)]
  const settings = differences.filter(({ key }) => diff === undefined || key !== 'content')
  return [
    `${symbol} ${inLine(name(resource))}  ${paint.dim(hanging(reason) + certainties[certainty])}`,
    ...settings.flatMap(({ key, from, to }) =>
      wrap(inLine(`${key}: ${[from, to].flatMap((side) => (side === undefined ? [] : [side])).join(' → ')}`), columns - 10).map(
        (line) => `    ${paint.dim(line)}`,
      ),
    ),
    ...shown(diff),
    ...(view.verbose && fullDiff ? ['', `    ${paint.dim('word for word:')}`, ...shown(fullDiff)] : []),
  ]
}

/** `kind:identity` as two words. */
const name = (resource: string): string => resource.replace(':', ' ')

import type { Plan, PlannedChange, Rollout } from '../../engine/plan/plan.ts'
import { count, inLine, width, words, wrapWords } from '../text.ts'
import type { View } from '../view.ts'
import { changeLines, entryLines, hasDetails } from './change.ts'
import { folded, isLong } from './fold.ts'

/** Returns the plan by play, role and hosts. Changes that are the same on several hosts are shown once. */
export const planLines = (
  { changes, rollouts = [] }: Pick<Plan, 'changes' | 'rollouts'>,
  playNames: readonly string[],
  view: View,
): readonly string[] => {
  const { paint } = view
  const plays = [...Map.groupBy(changes, ({ play }) => play)].map(([play, ofPlay]) => ({ play, groups: groupsOf(ofPlay, view) }))
  const all = plays.flatMap(({ groups }) => groups)
  const long = !view.verbose && isLong(all.reduce((sum, group) => sum + group.changes.length, 0))
  return [
    ...plays.flatMap(({ play, groups }) => [
      '',
      paint.bold(inLine(playNames[play] ?? `play ${play + 1}`)),
      ...rollouts
        .filter((rollout) => rollout.play === play)
        .flatMap((rollout) => wrapWords(`  ${words(rolloutText(rollout))}`, view.columns).map(paint.dim)),
      ...groups.flatMap((group) => [...(long ? [] : ['']), ...groupLines(group, long, view)]),
    ]),
    ...hiddenLines(changes, long, view),
  ]
}

/** `one at a time; each is drained from lb-01 while it changes`. */
const rolloutText = ({ serial, at }: Rollout): string => {
  const sizes = serial.map((size) => (size === 1 ? 'one' : String(size)))
  const [last = '', ...first] = sizes.toReversed()
  const order = [...first.toReversed().map((size, i) => (i === 0 ? `${size} first` : size)), `${last} at a time`].join(', then ')
  return at.length === 0 ? order : `${order}; each is drained from ${at.join(' and ')} while it changes`
}

/** Changes of one role that print the same under all their hosts. */
interface Group {
  readonly role: string
  readonly hosts: readonly string[]
  readonly changes: readonly PlannedChange[]
}

const groupsOf = (changes: readonly PlannedChange[], view: View): readonly Group[] =>
  [...Map.groupBy(changes, ({ role }) => role)].flatMap(([role, ofRole]) =>
    sharedChanges(ofRole, view).map((group) => ({ role, ...group })),
  )

const sharedChanges = (changes: readonly PlannedChange[], view: View): readonly Omit<Group, 'role'>[] => {
  const same = Map.groupBy(changes, (change) => JSON.stringify(shownOf(change, view)))
  const distinct = [...same.values()].flatMap((each) => {
    const [change] = each
    return change === undefined ? [] : [{ change, hosts: each.map(({ host }) => host) }]
  })
  return [...Map.groupBy(distinct, ({ hosts }) => hosts.join(' ')).values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [{ hosts: first.hosts, changes: group.map(({ change }) => change) }]
  })
}

/** The parts of a change that the plan shows, without its host. */
const shownOf = (change: PlannedChange, view: View): object => {
  const { host: _, attention: _text, fullDiff, diff, differences, ...head } = change
  if (!hasDetails(change, view)) return head
  return view.verbose ? { ...head, differences, diff, fullDiff } : { ...head, differences, diff }
}

const groupLines = ({ role, hosts, changes }: Group, long: boolean, view: View): readonly string[] => {
  const lines = long ? folded(changes).flatMap((entry) => entryLines(entry, view)) : changes.flatMap((change) => changeLines(change, view))
  return [...heading(role, hosts, view), ...lines.map((line) => (line === '' ? '' : `    ${line}`))]
}

const heading = (role: string, hosts: readonly string[], { paint, columns }: View): readonly string[] => {
  const names = hosts.length > 4 ? `${count(hosts.length, 'host')}: ${hosts.join(' ')}` : hosts.join(' ')
  const indent = width(role) + 4
  return wrapWords(inLine(names), columns - indent).map((piece, i) =>
    i === 0 ? `  ${paint.cyan(inLine(role))}  ${paint.bold(piece)}` : `${' '.repeat(indent)}${paint.bold(piece)}`,
  )
}

/** A line about what is not shown, with the option that shows it. */
const hiddenLines = (changes: readonly PlannedChange[], long: boolean, view: View): readonly string[] => {
  const hidden = changes.filter(
    (change) => !hasDetails(change, view) && change.bookkeeping !== true && (change.diff ?? change.fullDiff ?? '') !== '',
  ).length
  if (hidden === 0 && !long) return []
  const text = long ? 'New resources of a kind share a line, and their contents are not shown' : 'Contents of new resources are not shown'
  return ['', ...wrapWords(`${text}; --verbose shows them.`, view.columns).map(view.paint.dim)]
}

import { CONTROLLER, type Plan, type PlannedChange } from '../../engine/plan/plan.ts'
import { firstNames } from '../../first-names.ts'
import { bullet, count } from '../text.ts'
import type { View } from '../view.ts'
import { nameOf } from './change.ts'

/** Returns what a reader should know before the run: deletions, new keys of the site, and what the changes themselves report. */
export const attentionLines = ({ changes }: Pick<Plan, 'changes'>, view: View): readonly string[] => {
  const deleted = changes.filter(({ action }) => action === 'delete')
  const keys = changes.filter(({ host }) => host === CONTROLLER)
  const byText = Map.groupBy(changes, ({ attention }) => attention)
  const note = (about: readonly PlannedChange[], text: string): readonly string[] => {
    const hosts = new Set(about.map(({ host }) => host).filter((host) => host !== CONTROLLER))
    return about.length === 0 ? [] : bullet(view.paint.yellow('!'), text, [...hosts], view)
  }
  return [
    ...note(deleted, `${count(deleted.length, 'resource')} to delete: ${namesOf(deleted)}`),
    ...note(keys, `new keys of the site, to be kept in identities/: ${namesOf(keys)}`),
    ...[...byText].flatMap(([text, about]) => (text === undefined ? [] : note(about, text))),
  ]
}

const namesOf = (changes: readonly PlannedChange[]): string => firstNames([...new Set(changes.map(({ resource }) => nameOf(resource)))], 4)

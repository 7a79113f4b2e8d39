import { CONTROLLER, type Plan } from '../../engine/plan/plan.ts'
import type { Action } from '../../resource/kind/kind.ts'
import { count, inLine, wrapWords } from '../text.ts'
import type { View } from '../view.ts'

export const symbols: Readonly<Record<Action, string>> = { create: '+', update: '~', delete: '-', run: '!' }

export const colourOf = (action: Action, paint: View['paint']): ((text: string) => string) =>
  ({ create: paint.green, update: paint.yellow, delete: paint.red, run: paint.blue })[action]

/** Returns the number of changes by place and action: `34 changes on 3 hosts  20 to create · 14 to update`. */
export const planHeadline = ({ changes }: Pick<Plan, 'changes'>, { paint }: View): string => {
  const hosts = new Set(changes.map(({ host }) => host))
  const hasController = hosts.delete(CONTROLLER)
  const places = [...(hosts.size === 0 ? [] : [count(hosts.size, 'host')]), ...(hasController ? ['the controller'] : [])]
  const actions = (['create', 'update', 'delete', 'run'] as const).flatMap((action) => {
    const total = changes.filter((change) => change.action === action).length
    return total === 0 ? [] : [colourOf(action, paint)(`${total} to ${action}`)]
  })
  return `${paint.bold(`${count(changes.length, 'change')} on ${places.join(' and ')}`)}  ${actions.join(paint.dim(' · '))}`
}

/** Returns the number of changes of each host, if there are several: `  lb-01 20 · web-01 7 · web-02 7`. */
export const placeLines = ({ changes }: Pick<Plan, 'changes'>, { paint, columns }: View): readonly string[] => {
  const byHost = [...Map.groupBy(changes, ({ host }) => host)]
  if (byHost.length < 2) return []
  return wrapWords(`  ${byHost.map(([host, { length }]) => `${inLine(host)} ${length}`).join(' · ')}`, columns).map(paint.dim)
}

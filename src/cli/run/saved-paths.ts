import { resolve } from 'node:path'
import { isWithin } from '../../disk/within.ts'
import type { Scope } from '../../engine/plan/saved.ts'
import { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'

/**
 * Throws a `Problem` if a path of a saved plan leads out of the project, also through a link. A plan file that somebody changed
 * could otherwise name any file that the account of the run can read.
 */
export const requireOwnPaths = (root: string, file: string, { inventory, playbooks }: Scope): void => {
  const outside = [...(inventory === undefined ? [] : [inventory]), ...playbooks].find((path) => !isWithin(root, resolve(root, path)))
  if (outside === undefined) return
  throw new Problem({
    class: 'input',
    where: { file },
    what: `plan does not belong to this project: ${shownText(outside)} is outside the project folder`,
    fix: 'run provision in the folder of the project, and save a new plan with an inventory and playbooks of this folder',
  })
}

import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import type { Scope } from '../../engine/plan/saved.ts'
import { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'

/**
 * Throws a `Problem` if a path of a saved plan leads out of the project, also through a link. A plan file that somebody changed
 * could otherwise name any file that the account of the run can read.
 */
export const requireOwnPaths = (root: string, file: string, { inventory, playbooks }: Scope): void => {
  const outside = [...(inventory === undefined ? [] : [inventory]), ...playbooks].find((path) => !isWithin(root, path))
  if (outside === undefined) return
  throw new Problem({
    class: 'input',
    where: { file },
    what: `plan does not belong to this project: ${shownText(outside)} is outside the project folder`,
    fix: 'run provision in the folder of the project, and save a new plan with an inventory and playbooks of this folder',
  })
}

const isWithin = (root: string, path: string): boolean => {
  const project = realPath(root)
  return `${realPath(resolve(root, path))}${sep}`.startsWith(project === sep ? sep : `${project}${sep}`)
}

/** Returns the path without links. The end of a path may not exist. */
const realPath = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(realPath(above), basename(path))
  }
}

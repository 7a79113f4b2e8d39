import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { writeWhole } from '../disk/write.ts'
import { readPlan, type SavedPlan } from '../engine/plan/saved.ts'
import { Problem } from '../problem.ts'

/** A plan that was kept with `--save`. Throws a `Problem` where there is none that could be carried out. */
export const loadPlan = (directory: string, file: string): SavedPlan => {
  let text: string
  try {
    text = readFileSync(resolve(directory, file), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const what = code === 'ENOENT' ? 'there is no such plan' : `the plan cannot be read (${code})`
    throw new Problem({ class: 'input', where: { file }, what, fix: 'save one: provision run --dry-run --save FILE' })
  }
  return readPlan(file, text)
}

/** Keeps a plan, readable to its owner alone: it names what lies on the hosts. */
export const storePlan = (directory: string, file: string, text: string): void =>
  void writeWhole(resolve(directory, file), text, { mode: 0o600, shown: file })

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { writeWhole } from '../disk/write.ts'
import { readPlan, type SavedPlan } from '../engine/plan/saved.ts'
import { Problem } from '../problem.ts'
import { quote } from '../shell/quote.ts'

/** Reads a plan that `--save` wrote. Throws a `Problem` if the file is missing or invalid. */
export const loadPlan = (directory: string, file: string): SavedPlan => {
  let text: string
  try {
    text = readFileSync(resolve(directory, file), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const what = code === 'ENOENT' ? 'plan file does not exist' : `plan file cannot be read (${code})`
    throw new Problem({ class: 'input', where: { file }, what, fix: `save a plan: provision run --dry-run --save ${quote(file)}` })
  }
  return readPlan(file, text)
}

/** Writes a plan with mode 600: it lists resources of the hosts. */
export const storePlan = (directory: string, file: string, text: string): void =>
  void writeWhole(resolve(directory, file), text, { mode: 0o600, shown: file })

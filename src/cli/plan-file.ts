import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { writeWhole } from '../disk/write.ts'
import { readPlan, type SavedPlan } from '../engine/plan/saved.ts'
import { Problem } from '../problem.ts'
import { quote } from '../shell/quote.ts'

/** Reads a plan that `--save` wrote. Throws a `Problem` if the file is missing or invalid. */
export const loadPlan = (directory: string, file: string): SavedPlan => {
  const path = resolve(directory, file)
  const unfit = (what: string): Problem =>
    new Problem({ class: 'input', where: { file }, what, fix: `save a plan: provision run --dry-run --save ${quote(file)}` })
  try {
    const found = statSync(path)
    // A device or a pipe might never end.
    if (!found.isFile() || found.size > MAX_BYTES)
      throw unfit(found.isFile() ? 'plan file is larger than 256 MB' : 'plan file is not a regular file')
    return readPlan(file, readFileSync(path, 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || error instanceof Problem) throw error
    throw unfit(code === 'ENOENT' ? 'plan file does not exist' : `plan file cannot be read (${code})`)
  }
}

const MAX_BYTES = 2 ** 28

/** Writes a plan with mode 600: it lists resources of the hosts. */
export const storePlan = (directory: string, file: string, text: string): void =>
  void writeWhole(resolve(directory, file), text, { mode: 0o600, shown: file })

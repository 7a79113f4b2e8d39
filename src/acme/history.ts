import { join } from 'node:path'
import { SHARED } from '../disk/folder.ts'
import { readPlain } from '../disk/read.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { type Asked, REMEMBERED_MS } from './limits.ts'

const FILE = '.provision/acme-asked.json'
const MOST_BYTES = 1_048_576

/** What authorities were asked for from this checkout within the last week; what cannot be read counts as nothing. */
export const readAsked = (root: string): readonly Asked[] => {
  try {
    const found: unknown = JSON.parse(readPlain(join(root, FILE), MOST_BYTES) ?? '[]')
    return Array.isArray(found) ? found.filter(isAsked).filter(({ at }) => at > Date.now() - REMEMBERED_MS) : []
  } catch {
    return []
  }
}

/** Records a request to an authority. Returns the problem if that fails: the issued certificate must not be lost for it. */
export const noteAsked = (root: string, asked: Omit<Asked, 'at'>): Problem | undefined => {
  const text = `${JSON.stringify([...readAsked(root), { ...asked, at: Date.now() }], undefined, 1)}\n`
  try {
    writeWhole(join(root, FILE), text, { mode: 0o644, directory: SHARED, shown: FILE })
    return undefined
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

const isAsked = (value: unknown): value is Asked => {
  const one = value as Partial<Asked> | null
  return typeof one === 'object' && one !== null && typeof one.directory === 'string' && Array.isArray(one.names) && Number.isFinite(one.at)
}

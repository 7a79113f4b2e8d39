import { join } from 'node:path'
import { SHARED } from '../disk/folder.ts'
import { readPlain } from '../disk/read.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { type AcmeRequest, HISTORY_MS } from './limits.ts'

const FILE = '.provision/acme-asked.json'
const MAX_BYTES = 1_048_576

/** The requests to authorities from this checkout within the last week. An unreadable file counts as empty. */
export const readHistory = (root: string): readonly AcmeRequest[] => {
  try {
    const found: unknown = JSON.parse(readPlain(join(root, FILE), MAX_BYTES) ?? '[]')
    return Array.isArray(found) ? found.filter(isAcmeRequest).filter(({ at }) => at > Date.now() - HISTORY_MS) : []
  } catch {
    return []
  }
}

/** Records a request to an authority. Returns a problem instead of throwing it, so that the issued certificate is not lost. */
export const recordRequest = (root: string, request: Omit<AcmeRequest, 'at'>): Problem | undefined => {
  const text = `${JSON.stringify([...readHistory(root), { ...request, at: Date.now() }], undefined, 1)}\n`
  try {
    writeWhole(join(root, FILE), text, { mode: 0o644, directory: SHARED, shown: FILE })
    return undefined
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

const isAcmeRequest = (value: unknown): value is AcmeRequest => {
  const one = value as Partial<AcmeRequest> | null
  return typeof one === 'object' && one !== null && typeof one.directory === 'string' && Array.isArray(one.names) && Number.isFinite(one.at)
}

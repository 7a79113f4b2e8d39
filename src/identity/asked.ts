import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Asked, REMEMBERED_MS } from '../acme/limits.ts'

const FILE = '.provision/acme-asked.json'

/** What authorities were asked for from this checkout within the last week; what cannot be read counts as nothing. */
export const readAsked = (root: string): readonly Asked[] => {
  try {
    const found: unknown = JSON.parse(readFileSync(join(root, FILE), 'utf8'))
    return Array.isArray(found) ? found.filter(isAsked).filter(({ at }) => at > Date.now() - REMEMBERED_MS) : []
  } catch {
    return []
  }
}

/** Notes what an authority was asked for. */
export const noteAsked = (root: string, asked: Omit<Asked, 'at'>): void => {
  const path = join(root, FILE)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify([...readAsked(root), { ...asked, at: Date.now() }], undefined, 1)}\n`)
  renameSync(`${path}.new`, path)
}

const isAsked = (value: unknown): value is Asked => {
  const one = value as Partial<Asked> | null
  return typeof one === 'object' && one !== null && typeof one.directory === 'string' && Array.isArray(one.names) && Number.isFinite(one.at)
}

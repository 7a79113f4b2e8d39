import { sha256Hex } from '../kind/content.ts'
import type { Piece } from './edit.ts'
import { asIn, asUtf8, splice, type TextFile } from './text.ts'

/** Directory of the journals: for each edited file, the lines that provision wrote and those that they replaced. Readable by root only. */
const JOURNALS = '/var/lib/provision/parts'

export const journalPath = (path: string): string => `${JOURNALS}/${sha256Hex(path).slice(0, 32)}`

/** Lines, by their digest: the text itself may be a secret. */
interface Lines {
  readonly sha256: string
  readonly lines: number
}

/** Lines in a file that a resource wrote. */
interface Written {
  /** What it wrote there. Several: the journal is written first, so a run that was refused or cut may have left the older lines. */
  readonly wrote: readonly Lines[]
  /** The lines that they replaced; undefined if they were inserted. */
  readonly former?: readonly string[]
}

/** What provision wrote into a file, by resource (`kind:identity`). */
export type Journal = ReadonlyMap<string, readonly Written[]>

/** Reads a journal. Of one that is not as provision wrote it, the valid part. */
export const readJournal = (bytes: Uint8Array | undefined): Journal => {
  if (bytes === undefined) return new Map()
  try {
    const { parts } = JSON.parse(Buffer.from(bytes).toString()) as { parts?: unknown }
    if (typeof parts !== 'object' || parts === null) return new Map()
    return new Map(Object.entries(parts).flatMap(([key, written]) => (Array.isArray(written) ? [[key, written.filter(isWritten)]] : [])))
  } catch {
    return new Map()
  }
}

const isLines = (value: unknown): boolean => {
  const { sha256, lines } = (value ?? {}) as { sha256?: unknown; lines?: unknown }
  return typeof sha256 === 'string' && Number.isSafeInteger(lines) && Number(lines) > 0
}

const isWritten = (value: unknown): value is Written => {
  const { wrote, former } = (value ?? {}) as { wrote?: unknown; former?: unknown }
  const isFormer = former === undefined || (Array.isArray(former) && former.every((line) => typeof line === 'string'))
  return Array.isArray(wrote) && wrote.length > 0 && wrote.every(isLines) && isFormer
}

/** Returns the bytes of a journal; undefined if nothing is in it: the file is deleted. */
export const journalBytes = (path: string, journal: Journal): Buffer | undefined =>
  journal.size === 0 ? undefined : Buffer.from(`${JSON.stringify({ path, parts: Object.fromEntries(journal) }, undefined, 1)}\n`)

const linesOf = (file: TextFile, lines: readonly string[]): Lines => ({
  sha256: sha256Hex(asUtf8(file, lines.join('\n'))),
  lines: lines.length,
})

/** The position of these lines in a file, or -1. */
const positionOf = (file: TextFile, { sha256, lines }: Lines): number =>
  file.lines.findIndex((_, i) => {
    const some = file.lines.slice(i, i + lines).map(({ text }) => text)
    return some.length === lines && linesOf(file, some).sha256 === sha256
  })

/** An edit of a file for its journal. */
export interface NotedEdit {
  readonly before: TextFile
  readonly pieces: readonly Piece[]
}

/**
 * Adds the lines that a resource wrote. Where they replaced lines that it wrote before, the lines before those stay the former ones, also
 * after somebody changed them by hand.
 */
export const noted = (journal: Journal, key: string, { before, pieces }: NotedEdit): Journal => {
  const known = [...(journal.get(key) ?? [])]
  const unused = new Set(known.keys())
  for (const { wrote, former } of pieces) {
    const added = linesOf(before, wrote)
    const same = [added, ...(former === undefined ? [] : [linesOf(before, former)])].map(({ sha256 }) => sha256)
    let at = known.length
    for (const i of unused) {
      if (!known[i]?.wrote.some(({ sha256 }) => same.includes(sha256))) continue
      at = i
      break
    }
    const entry = known[at] ?? { wrote: [], ...(former !== undefined && { former: former.map((line) => asUtf8(before, line)) }) }
    const present = entry.wrote.filter((one) => one.sha256 !== added.sha256 && positionOf(before, one) >= 0)
    unused.delete(at)
    known[at] = { ...entry, wrote: [...present, added] }
  }
  return known.length === 0 ? forgotten(journal, key) : new Map([...journal, [key, known]])
}

/** Removes a resource. */
export const forgotten = (journal: Journal, key: string): Journal => new Map([...journal].filter(([other]) => other !== key))

/** Restores what a resource replaced, and deletes what it inserted. Lines that are not as it wrote them stay: `left` counts them. */
export const undone = (journal: Journal, key: string, file: TextFile): { readonly file: TextFile; readonly left: number } => {
  let [edited, left] = [file, 0]
  for (const { wrote, former = [] } of journal.get(key) ?? []) {
    const found = wrote.map((one) => ({ ...one, at: positionOf(edited, one) })).find(({ at }) => at >= 0)
    const texts = former.map((line) => asIn(edited, line))
    if (found === undefined) left += 1
    else edited = splice(edited, found.at, found.lines, texts)
  }
  return { file: edited, left }
}

import type { Content } from '../kind/content.ts'
import { asContent } from '../kind/content.ts'
import { refuseUnsafe } from '../kind/inode.ts'
import { HostRefusal, lastLines, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { filesAsInput, placeScript } from './place.ts'

/** A file that a kind writes or deletes. */
export interface NewFile {
  readonly path: string
  /** The file as observed, by `digestAt`. The host refuses to replace anything else. */
  readonly observed: string
  /** Undefined: the file is deleted. */
  readonly content: string | Content | undefined
  /** Octal, 644 by default. */
  readonly mode?: string
  readonly owner?: string
  readonly group?: string
}

/**
 * Writes files in one request: all of them, or none. New bytes are written beside the old ones and brought to the disk; then each file
 * is renamed into place. The host reads the content on standard input, and walks to every directory without following links of other
 * accounts. Throws a `HostRefusal` if a file changed after it was observed, or if its directory does not exist.
 */
export function* writeFiles(files: readonly NewFile[], doing?: string): Steps {
  if (files.length === 0) return
  const [first] = files
  const what = files.length === 1 ? `${first?.path} was not written` : `${files.length} files were not written`
  const answer = yield {
    do: 'shell',
    script: `set -u; mkdir -p -m 700 /var/lib/provision || exit 1\n${placeScript({ alone: false })}`,
    input: filesAsInput(files.map(placed)),
    ...(doing !== undefined && { doing }),
  }
  if (answer.code === CHANGED)
    throw new HostRefusal(what, lastLines(answer.stderr), 'run again: the next plan starts from what is there now')
  refuseUnsafe(answer, what)
  requireSuccess(answer, what)
}

const placed = ({ path, observed, content, mode = '644', owner = 'root', group = 'root' }: NewFile) => ({
  ...{ path, observed, mode, owner, group },
  state: content === undefined ? ('absent' as const) : ('present' as const),
  content: asContent(content ?? ''),
})

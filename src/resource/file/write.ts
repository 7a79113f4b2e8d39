import { sh } from '../../shell/sh.ts'
import { asContent, asText, type Content, sha256Hex } from '../kind/content.ts'
import { ABSENT, refuseUnsafe } from '../kind/inode.ts'
import { requireAsObserved } from '../kind/one-by-one.ts'
import { parentOf } from '../kind/path.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { guardScript } from '../kind/walk.ts'
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

/** A text file as it is at this moment, ready to be written by `writeFiles` with other content. */
export interface CurrentFile extends NewFile {
  /** Empty if the file is absent. */
  readonly content: string
}

/** Maximum length of a file that `readText` returns, in bytes. */
const MAX_TEXT_BYTES = 1_048_576

/**
 * Reads a text file in a step: for resources that are a part of a file which other resources and other programs change too. A state
 * is older than the first write of the run; edit what this returns, and pass it to `writeFiles`. Throws a `HostRefusal` for anything but a
 * regular file of UTF-8 up to 1 MiB, and where another account can replace the file.
 */
export function* readText(path: string): Generator<Step, CurrentFile, Answer> {
  const what = `${path} was not read`
  const answer = yield {
    do: 'shell',
    script: sh`${guardScript([parentOf(path)])}
[ -e ${path} ] || [ -L ${path} ] || exit 0
[ -f ${path} ] && [ ! -L ${path} ] || { echo ${`${path} is not a regular file`} >&2; exit 1; }
stat -c '%a %U %G' -- ${path} && head -c ${MAX_TEXT_BYTES + 1} -- ${path}`,
  }
  refuseUnsafe(answer, what)
  const { stdout } = requireSuccess(answer, what)
  if (stdout.length === 0) return { path, observed: ABSENT, content: '' }
  const end = stdout.indexOf('\n')
  const bytes = stdout.subarray(end + 1)
  const content = bytes.length > MAX_TEXT_BYTES ? undefined : asText(bytes)
  if (content === undefined) throw new HostRefusal(what, 'it is not a text of at most 1 MiB', 'move the file away, or do not declare it')
  const [mode = '644', owner = 'root', group = 'root'] = stdout.subarray(0, end).toString().split(' ')
  return { path, observed: sha256Hex(bytes), content, mode, owner, group }
}

/**
 * Writes files in one request: all of them, or none. New bytes are written beside the old ones and flushed to disk; then each file
 * is renamed into place. The host reads the content on standard input, and walks to every directory without following links of other
 * accounts. Throws a `HostRefusal` if a file changed after it was observed, or if its directory does not exist.
 */
export function* writeFiles(files: readonly NewFile[], doing?: string): Steps {
  if (files.length === 0) return
  const [first] = files
  const what = files.length === 1 ? `${first?.path} was not written` : `${files.length} files were not written`
  const answer = yield {
    do: 'shell',
    script: sh`set -u; mkdir -p -m 700 /var/lib/provision || exit 1\n${placeScript({ alone: false })}`,
    input: filesAsInput(files.map(placed)),
    ...(doing !== undefined && { doing }),
  }
  requireAsObserved(answer, what)
}

const placed = ({ path, observed, content, mode = '644', owner = 'root', group = 'root' }: NewFile) => ({
  ...{ path, observed, mode, owner, group },
  state: content === undefined ? ('absent' as const) : ('present' as const),
  content: asContent(content ?? ''),
})

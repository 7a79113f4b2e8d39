import { commandLine, quote, quotePattern } from '../../shell/quote.ts'
import { chunks } from './chunks.ts'
import { type InodeState, PATHS_AT_ONCE, readInodes, unreached } from './inode.ts'
import { parentOf } from './path.ts'
import type { Answers, Member, Query, SharedQueries } from './queries.ts'
import { READ_AT_MOST, READ_OTHERS } from './walk-read.ts'

type PathAsks = Pick<Required<SharedQueries>, 'inodes' | 'guarded' | 'trees' | 'digests' | 'sizes' | 'texts' | 'patterns'>

/** What is asked of paths: three fragments, to be run in this order by one shell. */
export interface PathQueries {
  readonly inodes: Query<Pick<Answers, 'inodes' | 'changed' | 'trees'>>
  readonly digests: Query<Answers['digests']>
  readonly texts: Query<Answers['texts']>
}

/**
 * Asks about paths by name, where root alone can replace what lies there: that is one program for each sort of question. The same `find`
 * looks at the directories above them; for paths below one that is a link, or that another account may write to, a reader that trusts no
 * name is started instead.
 */
export const pathQueries = (asked: PathAsks): PathQueries => ({
  inodes: askInodes(asked),
  digests: askDigests(asked.digests, asked.sizes),
  texts: askTexts(asked.texts, asked.patterns),
})

const reader = (what: string, ...words: readonly string[]): string => `perl -e "$reader" -- ${what} "$T" ${commandLine(...words)} "$@"`

const askInodes = (asked: PathAsks): PathQueries['inodes'] => {
  const [paths, watched] = [chunks(asked.inodes, PATHS_AT_ONCE), chunks(watchedOf(asked), 2 * PATHS_AT_ONCE)]
  const rounds = Array.from({ length: Math.max(paths.length, watched.length) }, (_, i) =>
    inodeScript(i, paths[i] ?? [], watched[i] ?? [], i === 0 ? asked.trees : []),
  )
  return {
    script: `reader=${quote(READ_OTHERS)}\n${THEIRS}\n${rounds.join('')}${guardedScript(asked.guarded)}`,
    read: (stdout) => {
      const said = readPaths(stdout.toString().split('\0'))
      return { ...said, inodes: new Map([...asked.inodes.map((path) => [path, moved(path)] as const), ...said.inodes]) }
    },
  }
}

/** A path that was there, and then was not when `find` looked: somebody is moving it, or a directory above it. */
const moved = (path: string): InodeState => unreached(path, '', 'was moved while it was looked at')

/** One `find` for what is there, and before and after it a builtin for what is not. Words with slashes before them are only watched. */
const inodeScript = (round: number, paths: readonly string[], watched: readonly string[], trees: readonly string[]): string => `
set -- ${paths.map(quote).join(' ')}
${SAY_ABSENT}
${treeScript(trees)}find "$@" ${watched.map(quote).join(' ')} ${TREE} -o -prune \\( -path '///*' \\( ${OURS_BESIDE} -o ${notOurs(round)} \\) -o -path '//*' \\( ${OURS} -o ${notOurs(round)} \\) \\
  -o -printf 'inode\\0%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0changed\\0%p\\0%C@\\0' \\)
set -- ${paths.map(quote).join(' ')}
${SAY_ABSENT}
! theirs "$@" || ${reader('held', '')}
`

/** Names the paths at which nothing is. */
const SAY_ABSENT = String.raw`for p do [ -e "$p" ] || [ -L "$p" ] || printf 'absent\0%s\0' "$p"; done`

/** Whether some of these paths lie where root is not alone, by the lists that `find` wrote. Builtins only. */
const THEIRS = `theirs() {
  for list in "$T"/others.*; do
    [ -s "$list" ] || continue
    while IFS= read -r o; do o=/\${o##*//}; o=\${o%/.}; for p do case $p in "$o"|"$o"/*) return 0 ;; esac; done; done <"$list"
  done
  return 1
}`

/** For `find`: nobody but root can replace what lies there, or write to it. */
export const OURS = '-uid 0 ! -type l ! -perm /022'

/** The same of what may be a link to something beside it; what it leads to is watched for itself. */
const OURS_BESIDE = `-uid 0 \\( ! -type l -o ! -lname '/*' ! -lname '*..*' \\)`

const notOurs = (round: number): string => `-fprintf "$T/others.${round}" '%p\\n'`

/**
 * What has to be root's alone, so that paths may be read by their names: each directory above them, and each file whose content is read.
 * Of a tree that a link leads to, also the directory it leads to.
 */
const watchedOf = ({ inodes, trees, digests, texts }: PathAsks): readonly string[] => {
  const links = new Set(trees)
  const above = [...inodes, ...trees, ...digests, ...texts].flatMap(directoriesAbove)
  const isKernels = (path: string): boolean => /^\/(proc|sys)\//.test(path)
  const plain = [...above, ...digests, ...texts].filter((path) => !links.has(path) && !isKernels(path)).map((path) => `/${path}`)
  return [...new Set([...plain, ...trees.flatMap((tree) => [`//${tree}`, `/${tree}/.`])])]
}

/** The directories above a path, without the root itself. */
export const directoriesAbove = (path: string): readonly string[] => {
  const parent = parentOf(path)
  return parent === '/' ? [] : [...directoriesAbove(parent), parent]
}

const guardedScript = (paths: readonly string[]): string =>
  paths.length === 0 ? '' : `set -- ${paths.map(quote).join(' ')}; ! theirs "$@" || ${reader('guarded', '')}\n`

/**
 * Adds trees to the words of `find`, by the directories that they lead to: builtins of the shell resolve links. What lies in them is
 * named, owners by number (names would be looked up for each); a directory of another account is named and not entered.
 */
const treeScript = (trees: readonly string[]): string =>
  trees.length === 0
    ? ''
    : `for t in ${trees.map(quote).join(' ')}; do ! cd -P -- "$t" 2>/dev/null || { printf 'leads\\0%s\\0%s\\0' "$t" "$PWD"; set -- "$@" "$PWD/."; cd /; }; done\n`

const TREE = `-path '*/.' -printf 'tree\\0%p\\0%y\\0%m\\0%U:%G\\0' -o -path '*/./*' -printf 'in\\0%P\\0%y\\0%m\\0%U:%G\\0' \\( ! -type d -o -uid 0 -o -prune \\)`

const readPaths = (fields: readonly string[]): Pick<Answers, 'inodes' | 'changed' | 'trees'> => {
  const inodes = new Map<string, InodeState>()
  const changed = new Map<string, number>()
  const trees = new Map<string, Map<string, Member>>()
  const leading = new Map<string, string>()
  let within = new Map<string, Member>()
  let i = readInodes(fields, inodes)
  for (;;) {
    const [word, path = '', ...rest] = fields.slice(i, i + 5)
    const [type = '', mode = '', owner = ''] = rest
    if (word === 'changed') {
      changed.set(path, microseconds(type))
      i = readInodes(fields, inodes, i + 3)
      continue
    }
    if (word === 'leads') {
      leading.set(type, path)
      i = readInodes(fields, inodes, i + 3)
      continue
    }
    if (word === 'held') inodes.set(path, unreached(type, mode, owner))
    else if (word === 'tree') {
      within = new Map([['', { type, mode, owner }]])
      trees.set(leading.get(path.slice(0, -2)) ?? '', within)
    } else if (word === 'in') within.set(path, { type, mode, owner })
    else break
    i = readInodes(fields, inodes, i + 5)
  }
  if (i !== fields.length - 1) throw new Error('the host answered half a record')
  return { inodes, changed, trees }
}

/** `1795454103.1234567890` in whole microseconds. */
const microseconds = (time: string): number => {
  const [, seconds = '0', fraction = '0'] = /^(\d+)\.(\d{6})/.exec(time) ?? []
  return Number(seconds) * 1e6 + Number(fraction)
}

/**
 * One `sha256sum` for up to a thousand paths. What is neither a file nor a directory is not hashed: reading a named pipe would
 * wait for ever.
 */
const askDigests = (paths: readonly string[], sizes: ReadonlyMap<string, number>): PathQueries['digests'] => ({
  script: chunks(paths, PATHS_AT_ONCE)
    .map(
      (some) => `
set -- ${some.map(quote).join(' ')}; plain=1
if theirs "$@"; then ${reader('digests', sizesOf(some, sizes))}; else
for p do [ ! -e "$p" ] || [ -f "$p" ] || [ -d "$p" ] || plain=; done
if [ "$plain" ]; then sha256sum -z -- "$@"; else for p do [ ! -f "$p" ] || sha256sum -z -- "$p"; done; fi; fi
`,
    )
    .join(''),
  read: (stdout) => {
    const lines = stdout.toString().split('\0')
    if (lines.pop() !== '') throw new Error('the host answered half a digest')
    return new Map(
      lines.map((line): [string, string] => {
        const [, sha256, path] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? []
        if (sha256 === undefined || path === undefined) throw new Error('the host answered half a digest')
        return [path, sha256]
      }),
    )
  },
})

/** Only of large files: the length of a small one could be that of a password. */
const sizesOf = (paths: readonly string[], sizes: ReadonlyMap<string, number>): string =>
  paths.some((path) => (sizes.get(path) ?? 0) > READ_AT_MOST)
    ? paths.map((path) => Math.max(READ_AT_MOST, sizes.get(path) ?? 0)).join(' ')
    : ''

/**
 * One `grep` for all files. It puts the path before every line, so that no line passes for another's, and skips what would keep it
 * waiting. It ends with 0, 1 or 2 as all, none or some of them are there.
 */
const askTexts = (paths: readonly string[], patterns: readonly string[]): PathQueries['texts'] => ({
  script:
    paths.length + patterns.length === 0
      ? ''
      : `set -- ${paths.map(quote).join(' ')}
! theirs "$@" || { ${reader('texts', '')}; set -- ; }
grep -saHZ -d skip -D skip '' "$@" ${patterns.map(quotePattern).join(' ')} /dev/null; echo end:$?`,
  read: (stdout) => {
    const texts = new Map<string, string[]>()
    const lines = stdout.toString().split('\n').slice(0, -1)
    if (paths.length + patterns.length > 0 && !/^end:[012]$/.test(lines.pop() ?? '')) throw new Error('the host could not read all files')
    for (const line of lines) {
      const end = line.indexOf('\0')
      const path = line.slice(0, end)
      texts.set(path, [...(texts.get(path) ?? []), line.slice(end + 1)])
    }
    return texts
  },
})

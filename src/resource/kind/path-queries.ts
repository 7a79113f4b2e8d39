import type { Script } from '../../shell/script.ts'
import { glob, join, sh } from '../../shell/sh.ts'
import { argumentLists } from './chunks.ts'
import { type InodeState, PATHS_AT_ONCE, readInodes, unreached } from './inode.ts'
import { parentOf } from './path.ts'
import type { Answers, Member, Query, SharedQueries } from './queries.ts'
import { READ_AT_MOST, READ_OTHERS } from './walk-read.ts'

type PathAsks = Pick<Required<SharedQueries>, 'inodes' | 'guarded' | 'trees' | 'digests' | 'sizes' | 'texts' | 'patterns'>

/** Queries about paths: three scripts that one shell runs in this order. */
export interface PathQueries {
  readonly inodes: Query<Pick<Answers, 'inodes' | 'changed' | 'trees' | 'others'>>
  readonly digests: Query<Answers['digests']>
  readonly texts: Query<Answers['texts']>
}

/**
 * Returns the queries for all paths: one program per question. They use paths by name only where root alone can replace them.
 * The same `find` observes the directories above; below a link, or a directory that another account can write to, a reader that trusts no
 * name replaces the program.
 */
export const pathQueries = (asked: PathAsks): PathQueries => ({
  inodes: askInodes(asked),
  digests: askDigests(asked.digests, asked.sizes),
  texts: askTexts(asked.texts, asked.patterns),
})

const reader = (what: string, ...words: readonly string[]): Script => sh`perl -e "$reader" -- ${what} "$T" ${words} "$@"`

const askInodes = (asked: PathAsks): PathQueries['inodes'] => {
  const [paths, watched] = [argumentLists(asked.inodes, PATHS_AT_ONCE), argumentLists(watchedOf(asked), 2 * PATHS_AT_ONCE)]
  const rounds = Array.from({ length: Math.max(paths.length, watched.length) }, (_, i) =>
    inodeScript(i, paths[i] ?? [], watched[i] ?? [], i === 0 ? asked.trees : []),
  )
  return {
    script: sh`reader=${READ_OTHERS}
${THEIRS}
${rounds}
${guardedScript(asked.guarded)}`,
    read: (stdout) => {
      const found = readPaths(stdout.toString().split('\0'))
      return { ...found, inodes: new Map([...asked.inodes.map((path) => [path, moved(path)] as const), ...found.inodes]) }
    },
  }
}

/** The state of a path that existed before `find` and not during it: somebody moves it, or a directory above it. */
const moved = (path: string): InodeState => unreached(path, '', 'was moved during the observation')

/**
 * One `find` for existing paths, and a builtin before and after it for absent ones. Its exit status is 1 if a path is absent. Arguments that begin
 * with several slashes are only watched.
 */
const inodeScript = (round: number, paths: readonly string[], watched: readonly string[], trees: readonly string[]): Script => sh`
set -- ${paths}
${SAY_ABSENT}
${treeScript(trees)}find "$@" ${watched} ${TREE} -o -prune \\( -path '///*' \\( ${OURS_BESIDE} -o ${notOurs(round)} \\) -o -path '//*' \\( ${OURS} -o ${notOurs(round)} \\) \\
  -o -printf 'inode\\0%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0changed\\0%p\\0%C@\\0' \\) || [ $? = 1 ]
set -- ${paths}
${SAY_ABSENT}
! theirs "$@" || ${reader('held', '')}`

/** Prints the paths that do not exist. */
const SAY_ABSENT = sh`for p do [ -e "$p" ] || [ -L "$p" ] || printf 'absent\\0%s\\0' "$p"; done`

/** Function `theirs`: whether a path is below a place where root is not alone, by the lists of `find`. Builtins only. */
const THEIRS = sh`theirs() {
  for list in "$T"/others.*; do
    [ -s "$list" ] || continue
    while IFS= read -r other; do
      other=/\${other##*//}; other=\${other%/.}
      for p do case $p in "$other"|"$other"/*) return 0 ;; esac; done
    done <"$list"
  done
  return 1
}`

/** Test of `find`: only root can replace it or write to it. */
export const OURS = sh`-uid 0 ! -type l ! -perm /022`

/** The same for a path that may be a link to something beside it. Its target is watched too. */
const OURS_BESIDE = sh`-uid 0 \\( ! -type l -o ! -lname '/*' ! -lname '*..*' \\)`

const notOurs = (round: number): Script => sh`-fprintf "$T/others.${round}" '%p\\n'`

/**
 * Returns the paths that root alone must control, so that paths can be read by name: each directory above, each file whose content is
 * read, and the directory that the link of a tree leads to.
 */
const watchedOf = ({ inodes, trees, digests, texts }: PathAsks): readonly string[] => {
  const links = new Set(trees)
  const above = [...inodes, ...trees, ...digests, ...texts].flatMap(directoriesAbove)
  const isKernels = (path: string): boolean => /^\/(proc|sys)\//.test(path)
  const plain = [...above, ...digests, ...texts].filter((path) => !links.has(path) && !isKernels(path)).map((path) => `/${path}`)
  return [...new Set([...plain, ...trees.flatMap((tree) => [`//${tree}`, `/${tree}/.`])])]
}

/** Returns the directories above a path, without `/`. */
export const directoriesAbove = (path: string): readonly string[] => {
  const parent = parentOf(path)
  return parent === '/' ? [] : [...directoriesAbove(parent), parent]
}

const guardedScript = (paths: readonly string[]): Script =>
  sh`${argumentLists(paths, PATHS_AT_ONCE).map((some) => sh`set -- ${some}; ! theirs "$@" || ${reader('guarded', '')}\n`)}`

/**
 * Adds the directories of trees to the arguments of `find`; builtins of the shell resolve links. Owners are numbers, because each name
 * would be looked up. A directory of another account is printed and not entered.
 */
const treeScript = (trees: readonly string[]): Script =>
  trees.length === 0
    ? sh``
    : sh`for t in ${trees}; do ! cd -P -- "$t" 2>/dev/null || { printf 'leads\\0%s\\0%s\\0' "$t" "$PWD"; set -- "$@" "$PWD/."; cd /; }; done\n`

const TREE = sh`-path '*/.' -printf 'tree\\0%p\\0%y\\0%m\\0%U:%G\\0' -o -path '*/./*' -printf 'in\\0%P\\0%y\\0%m\\0%U:%G\\0%T@\\0' \\( ! -type d -o -uid 0 -o -prune \\)`

const readPaths = (fields: readonly string[]): Pick<Answers, 'inodes' | 'changed' | 'trees' | 'others'> => {
  const inodes = new Map<string, InodeState>()
  const changed = new Map<string, number>()
  const trees = new Map<string, Map<string, Member>>()
  const leading = new Map<string, string>()
  const others = new Set<string>()
  let within = new Map<string, Member>()
  let i = readInodes(fields, inodes)
  for (;;) {
    const [word, path = '', ...rest] = fields.slice(i, i + 6)
    const [type = '', mode = '', owner = '', time = ''] = rest
    if (word === 'changed') {
      changed.set(path, microseconds(type))
      i = readInodes(fields, inodes, i + 3)
      continue
    }
    if (word === 'others') {
      others.add(path)
      i = readInodes(fields, inodes, i + 2)
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
    } else if (word === 'in') {
      within.set(path, { type, mode, owner, modified: microseconds(time) })
      i = readInodes(fields, inodes, i + 6)
      continue
    } else break
    i = readInodes(fields, inodes, i + 5)
  }
  if (i !== fields.length - 1) throw new Error('the host answered with an incomplete record')
  return { inodes, changed, trees, others }
}

/** Converts `1795454103.1234567890` to whole microseconds. */
const microseconds = (time: string): number => {
  const [, seconds = '0', fraction = '0'] = /^(\d+)\.(\d{6})/.exec(time) ?? []
  return Number(seconds) * 1e6 + Number(fraction)
}

/**
 * One `sha256sum` for up to a thousand paths; its exit status is 1 if a path is no file. Only files and directories are passed to it:
 * reading a named pipe would wait forever.
 */
const askDigests = (paths: readonly string[], sizes: ReadonlyMap<string, number>): PathQueries['digests'] => ({
  script: sh`${argumentLists(paths, PATHS_AT_ONCE).map(
    (some) => sh`
set -- ${some}; plain=1
if theirs "$@"; then ${reader('digests', sizesOf(some, sizes))}; else
for p do [ ! -e "$p" ] || [ -f "$p" ] || [ -d "$p" ] || plain=; done
if [ "$plain" ]; then sha256sum -z -- "$@" || [ $? = 1 ]; else for p do [ ! -f "$p" ] || sha256sum -z -- "$p" || [ $? = 1 ]; done; fi; fi`,
  )}`,
  read: (stdout) => {
    const lines = stdout.toString().split('\0')
    if (lines.pop() !== '') throw new Error('the host sent an incomplete digest')
    return new Map(
      lines.map((line): [string, string] => {
        const [, sha256, path] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? []
        if (sha256 === undefined || path === undefined) throw new Error('the host sent an incomplete digest')
        return [path, sha256]
      }),
    )
  },
})

// Only if a file is large: every account can read arguments, and a short length could be that of a password.
const sizesOf = (paths: readonly string[], sizes: ReadonlyMap<string, number>): string =>
  paths.some((path) => (sizes.get(path) ?? 0) > READ_AT_MOST)
    ? paths.map((path) => Math.max(READ_AT_MOST, sizes.get(path) ?? 0)).join(' ')
    : ''

// The patterns go with the last list.
const listsWith = (paths: readonly string[], patterns: readonly string[]): readonly (readonly string[])[] =>
  paths.length === 0 && patterns.length > 0 ? [[]] : argumentLists(paths, PATHS_AT_ONCE)

/** Patterns that are no path of the list; those that may match a file of another have one slash more than the one before. */
const distinguished = (paths: readonly string[], patterns: readonly string[]): readonly string[] => {
  const asked = new Set(paths)
  const wild = patterns.filter((pattern) => pattern.includes('*'))
  return [
    ...patterns.filter((pattern) => !pattern.includes('*') && !asked.has(pattern)),
    ...wild.map((pattern, i) => `${'/'.repeat(i + 1)}${pattern}`),
  ]
}

/**
 * One `grep` for up to a thousand files. It prints the path before every line, so no line can be taken for one of another file, and skips devices and
 * pipes. Its exit status is 0, 1 or 2 if all, none or some of the files exist. A file may be asked by its path and match patterns: each
 * pattern has its own number of slashes at the beginning, and only one of these answers counts.
 */
const askTexts = (paths: readonly string[], patterns: readonly string[]): PathQueries['texts'] => ({
  script: sh`${listsWith(paths, patterns).map(
    (some, i, { length }) => sh`set -- ${some}
! theirs "$@" || { ${reader('texts', '')}; set -- ; }
c=0; grep -saHZ -d skip -D skip '' "$@" ${i === length - 1 ? join(sh` `, distinguished(paths, patterns).map(glob)) : sh``} /dev/null || c=$?; [ "$c" -lt 3 ]${i === length - 1 ? sh`; echo "end:$c"` : sh``}`,
  )}`,
  read: (stdout) => {
    const texts = new Map<string, { readonly slashes: number; readonly lines: string[] }>()
    const lines = stdout.toString().split('\n').slice(0, -1)
    if (paths.length + patterns.length > 0 && !/^end:[012]$/.test(lines.pop() ?? '')) throw new Error('the host could not read all files')
    for (const line of lines) {
      const end = line.indexOf('\0')
      let slashes = 1
      while (line[slashes] === '/') slashes += 1
      const path = line.slice(slashes - 1, end)
      const known = texts.get(path)
      if (known === undefined || slashes < known.slashes) texts.set(path, { slashes, lines: [line.slice(end + 1)] })
      else if (slashes === known.slashes) known.lines.push(line.slice(end + 1))
    }
    return new Map([...texts].map(([path, { lines: text }]) => [path, text]))
  },
})

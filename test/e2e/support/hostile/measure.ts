import { quote } from '../../../../src/shell/quote.ts'
import { type Root, scriptAs, wordsAs } from './root.ts'
import { attemptsScript, MARK } from './sentinels.ts'

/** Accounts, trees and files to measure, and the trees that must stay unchanged. */
export interface Scope {
  readonly accounts: readonly string[]
  /** Trees in which access is compared, each within its file system. */
  readonly roots: readonly string[]
  /** Trees in which nothing may change. */
  readonly guarded: readonly string[]
  /** Trees as `foreignScript` makes them. */
  readonly foreign: readonly string[]
}

export interface Measure {
  /** Every inode by device, number and birth: its path, type and owner. */
  readonly inodes: ReadonlyMap<string, { readonly path: string; readonly type: string; readonly owner: string }>
  readonly access: ReadonlyMap<string, Access>
  /** By path: type, owner, mode, target and digest. */
  readonly guarded: ReadonlyMap<string, string>
}

interface Access {
  readonly reads: ReadonlySet<string>
  readonly writes: ReadonlySet<string>
  /** Sentinels that the account can open. */
  readonly doors: readonly string[]
  /** Files with a secret of root that the account can read. */
  readonly secrets: readonly string[]
}

const FIND = 'find -P "$@" -xdev -ignore_readdir_race'

/** Measures a host as root, and as each account. */
export const measure = async (root: Root, { accounts, roots, guarded, foreign }: Scope): Promise<Measure> => {
  const said = await root(`set +e; secrets=$(mktemp /dev/shm/XXXXXXXX); set -- ${roots.map(quote).join(' ')}
${FIND} -type f -size -1024k -exec timeout 60 grep -slaF -e ${MARK} {} + >"$secrets" 2>/dev/null; chmod 644 "$secrets"
${FIND} -exec stat --printf '%d:%i\\0%w\\0%F\\0%U\\0%n\\0' {} + 2>/dev/null; printf '\\0\\0\\0\\0\\0'
${accounts.map(accessScript(foreign)).join('')}
set -- ${guarded.map(quote).join(' ')}
${FIND} -printf '%p\\0%y %U:%G %m %l\\0' 2>/dev/null; printf '\\0\\0'
${FIND} -type f -size -1024k -exec sha256sum -z {} + 2>/dev/null; rm -f "$secrets"`)
  return readMeasure(said, accounts)
}

const accessScript =
  (foreign: readonly string[]) =>
  (account: string): string =>
    `
${wordsAs(account)} ${FIND} ! -type l \\( -readable -printf 'r%D:%i\\0' , -writable -printf 'w%D:%i\\0' \\) 2>/dev/null; printf '\\0'
${scriptAs(account, attemptsScript(foreign))} 2>/dev/null; printf '\\0'
${wordsAs(account)} sh -c 'while IFS= read -r f; do [ ! -r "$f" ] || echo "$f"; done' <"$secrets"; printf '\\0'`

const readMeasure = (said: string, accounts: readonly string[]): Measure => {
  const fields = said.split('\0').values()
  const next = (): string => fields.next().value ?? ''
  /** Records of some fields each, until one begins with an empty field. */
  const records = (width: number): readonly (readonly string[])[] => {
    const all: string[][] = []
    for (;;) {
      const record = Array.from({ length: width }, next)
      if (record[0] === '') return all
      all.push(record)
    }
  }
  // Inode numbers are reused; together with the time of birth they are unique.
  const listed = records(5).map(([number = '', birth = '', type = '', owner = '', path = '']) => ({ number, birth, type, owner, path }))
  const idOf = new Map(listed.map(({ number, birth }) => [number, `${number} ${birth}`]))
  const inodes = new Map(listed.map(({ number, type, owner, path }) => [idOf.get(number) ?? '', { path, type, owner }]))
  const access = new Map(
    accounts.map((account): [string, Access] => {
      const marks = records(1).map(([mark = '']) => mark)
      const of = (letter: string) => new Set(marks.flatMap((mark) => (mark[0] === letter ? [idOf.get(mark.slice(1)) ?? mark] : [])))
      return [account, { reads: of('r'), writes: of('w'), doors: linesOf(next()), secrets: linesOf(next()) }]
    }),
  )
  const guarded = new Map(records(2).map(([path = '', state = '']): [string, string] => [path, state]))
  for (const line of fields) {
    const path = line.slice(66)
    if (guarded.has(path)) guarded.set(path, `${guarded.get(path)} ${line.slice(0, 64)}`)
  }
  return { inodes, access, guarded }
}

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')

/** Whether a path is in a directory in which an account may create entries. */
export type IsOwn = (path: string, account: string) => boolean

/** Returns the gains of the accounts between two measures, and changes of files of others; one line each. */
export const gainedBetween = (before: Measure, after: Measure, isOwn: IsOwn): readonly string[] => [
  ...[...after.access].flatMap(([account, access]) => gainedBy(account, access, { before, after, isOwn })),
  ...[...new Set([...before.guarded.keys(), ...after.guarded.keys()])]
    .filter((path) => before.guarded.get(path) !== after.guarded.get(path))
    .map((path) => `${path}: ${before.guarded.get(path) ?? 'absent'} became ${after.guarded.get(path) ?? 'absent'}`),
]

interface Compared {
  readonly before: Measure
  readonly after: Measure
  readonly isOwn: IsOwn
}

const gainedBy = (account: string, access: Access, { before, after, isOwn }: Compared): readonly string[] => {
  const earlier = before.access.get(account) ?? { reads: new Set(), writes: new Set(), doors: [], secrets: [] }
  const pathOf = (inode: string): string => after.inodes.get(inode)?.path ?? inode
  const isPlain = (inode: string): boolean => /^(regular|directory)/.test(after.inodes.get(inode)?.type ?? '')
  const isNewAndOwn = (inode: string): boolean => !before.inodes.has(inode) && isOwn(pathOf(inode), account)
  // A new socket is the interface of a daemon.
  const isSocket = (inode: string): boolean => !before.inodes.has(inode) && after.inodes.get(inode)?.type === 'socket'
  const owned = [...after.inodes]
    .filter(([inode, { owner }]) => owner === account && before.inodes.get(inode)?.owner !== account)
    .filter(([inode]) => !isNewAndOwn(inode) && !isSocket(inode))
    .map(([, { path }]) => `${account} owns ${path}`)
  // A new world-readable file is no secret, unless it contains a mark.
  const read = [...access.reads].filter((inode) => before.inodes.has(inode) && !earlier.reads.has(inode))
  const written = [...access.writes].filter((inode) => !earlier.writes.has(inode) && isPlain(inode) && !isNewAndOwn(inode))
  return [
    ...owned,
    ...read.map((inode) => `${account} can read ${pathOf(inode)}`),
    ...written.map((inode) => `${account} can write ${pathOf(inode)}`),
    ...access.doors.filter((door) => !earlier.doors.includes(door)).map((door) => `${account} ${door}`),
    ...access.secrets.filter((path) => !earlier.secrets.includes(path)).map((path) => `${account} reads a secret in ${path}`),
  ]
}

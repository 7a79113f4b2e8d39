import { httpUserList, type Text, text, type usersByPart, withoutStars } from 'provision'
import type { Part } from '../sites/parts.ts'
import { inLines } from './lines.ts'

/** Rules that the sections of a site apply to requests before a server gets them. */
export interface Rules {
  /** Name of the site's own section. */
  readonly site: string
  readonly parts: readonly Part[]
  readonly users: ReturnType<typeof usersByPart>
}

/** A path in the name of a section, where `/` and `~` are not allowed. Two paths have different names, because none contains `/./`. */
export const slug = (path: string): string => path.replaceAll('~', ':.:').replaceAll('/', ':')

const usersOf = (site: string, part: string): string => `${site}${slug(part)}`

/**
 * Lines that set a variable to the path as web servers read it: decoded, and without doubled slashes. Other
 * ambiguous paths, such as those with `..`, are refused; browsers do not send them.
 */
export const PATH = [
  'http-request set-var(txn.path) path,url_dec,regsub(//+,/,g)',
  `http-request deny deny_status 400 if !{ var(txn.path) -m found } || { var(txn.path) -m reg '(^|/)[.][.]?(/|$)|[\\\\]' }`,
] as const

/** Condition that a request is for a path, or below it. */
export const under = (path: string): string => `{ var(txn.path) -m reg ^${path.replaceAll('.', '[.]')}(/|$) }`

const isFor = ({ path, exact }: Part): string => (exact ? `{ var(txn.path) -m str ${path} }` : under(path))

/** Lines that redirect requests, and admit visitors by network and password. */
export const ruleLines = ({ site, parts }: Rules): readonly string[] => {
  const hasPaths = parts.length > 1
  const decides = (i: number): string => (hasPaths ? ` { var(txn.part) -m int ${i} }` : '')
  return [
    ...(hasPaths ? [...PATH, 'http-request set-var(txn.part) int(0)'] : []),
    ...parts.flatMap((part, i) => (i === 0 ? [] : [`http-request set-var(txn.part) int(${i}) if ${isFor(part)}`])),
    ...parts.flatMap(({ path, redirect, allow, usersOf: of }, i) => {
      if (redirect !== undefined) return redirectLines(path, redirect, decides(i))
      return [
        ...inLines(allow ?? []).map((some) => `acl admitted-${i} src ${some.join(' ')}`),
        ...(allow === undefined ? [] : [`http-request deny deny_status 403 if${decides(i)} !admitted-${i}`]),
        ...(of === undefined ? [] : [`http-request auth realm ${site} if${decides(i)} !{ http_auth(${usersOf(site, of)}) }`]),
      ]
    }),
  ]
}

const QUERY = '%[url,regsub(^[^?]*,)]'

// The rest is taken from the path as it was sent: decoded, it could end the header. It does not begin with a slash, which would make the
// target an address of another host.
const redirectLines = (path: string, { to, status, below }: Exclude<Part['redirect'], undefined>, decides: string): readonly string[] => {
  const target = withoutStars(to)
  const go = (location: string, condition = ''): string =>
    `http-request redirect location ${location}${QUERY} code ${status} if${decides}${condition}`
  const fixed = go(target || '/')
  if (!below || target === to) return [fixed]
  const literal = path.replaceAll('.', '[.]')
  return [go(`${target}/%[path,regsub(^${literal}/+,)]`, ` { path -m reg ^${literal}/+[^/] }`), fixed]
}

/** Sections with the users of a site and of its parts. */
export const userLists = ({ site, users }: Rules, host: string): Text => ({
  type: 'text',
  parts: users.flatMap((part) => {
    const name = usersOf(site, part.path)
    return text`userlist ${name}\n${httpUserList(part.users, `${host} ${name}`)}\n`.parts
  }),
})

import { firstNames } from '../../first-names.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import { isSecret } from '../../secret/secret.ts'
import type { PlannedChange } from '../plan/plan.ts'
import type { PendingChange } from '../plan/plan-host.ts'
import type { Blocked } from '../progress.ts'
import type { Run } from '../run-state.ts'

type Blocking = Blocked['pending']

/** The changes that depend on no change that failed alone on this host. The others are recorded as skipped. */
export const unblocked = <T extends { readonly change: PlannedChange; readonly pending: PendingChange | undefined }>(
  { progress }: Run,
  host: string,
  changes: readonly T[],
): readonly T[] =>
  changes.filter(({ change, pending }) => {
    if (pending === undefined) return true
    const cause = progress.blockedOn(host).find(({ pending: blocked }) => dependsOn(pending, blocked))
    if (cause !== undefined) progress.skip(change, { pending, root: cause.root })
    return cause === undefined
  })

/** The sentences about changes that one play skipped. */
export const skippedTexts = (skipped: readonly { readonly change: PlannedChange; readonly root: string }[]): readonly string[] =>
  [...Map.groupBy(skipped, ({ root }) => root)].map(([root, ones]) => {
    const names = ones.map(({ change }) => change.resource.replace(':', ' '))
    return `${firstNames(names, 10)} ${ones.length === 1 ? 'was' : 'were'} skipped, because ${root.replace(':', ' ')} failed`
  })

/**
 * Whether a change needs another one of its host that was not made. It does if its options name that resource or its path, as `restarts` of
 * a service does; if its path is below; if it deletes a directory above; or if it needs the account of that resource. A script may need
 * everything that its role declares before it. Everything that its role declares after a script may need the script.
 */
export const dependsOn = (one: Blocking, blocked: Blocking): boolean => {
  const { resource } = one
  if (resource.kind.bookkeeping === true) return false
  const isOfRole = one.role === blocked.role
  if (isOfRole && (isScript(one) || isScript(blocked))) return true
  const paths = pathsOf(blocked.resource)
  const ownPaths = pathsOf(resource)
  if (ownPaths.some((own) => paths.some((path) => isWithin(own, path)))) return true
  if (one.change.action === 'delete' && ownPaths.some((own) => paths.some((path) => isWithin(path, own)))) return true
  const key = keyOf(blocked.resource)
  const { users = [], groups = [] } = resource.kind.accounts?.(resource.spec) ?? {}
  if (users.some((name) => key === `user:${name}`) || groups.some((name) => key === `group:${name}`)) return true
  return wordsIn(resource.spec).some((word) => word === key || paths.some((path) => mentions(word, path)))
}

const isScript = ({ change }: Blocking): boolean => change.certainty === 'opaque'
const isPath = (id: string): boolean => id.startsWith('/')
const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`)

const pathsOf = ({ kind, id, spec }: Resource): readonly string[] => [
  ...new Set([...(isPath(id) ? [id] : []), ...(kind.files?.(spec) ?? []).map(({ path }) => path)]),
]

/** Whether a text has a path, and not only a longer name that begins or ends with it. */
const mentions = (text: string, path: string): boolean => {
  for (let at = text.indexOf(path); at >= 0; at = text.indexOf(path, at + 1)) {
    if (!/[\w.-]/.test(text[at - 1] ?? '') && !/[\w-]/.test(text[at + path.length] ?? '')) return true
  }
  return false
}

/** All texts of a spec, except those of secrets and of content that is not text. */
const wordsIn = (value: unknown, seen = new Set<unknown>()): readonly string[] => {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || isSecret(value) || ArrayBuffer.isView(value) || seen.has(value)) return []
  seen.add(value)
  return Object.values(value).flatMap((one) => wordsIn(one, seen))
}

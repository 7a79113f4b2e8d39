import { pathToFileURL } from 'node:url'
import { ZodError, z } from 'zod'
import { Problem, Problems, type Where } from '../problem.ts'
import type { HostContext, HostView, Role, SiteContext } from './role.ts'

/** A user's role, whose mistakes are told as its own and with their line, never as a defect of provision. */
export const answerable = (role: Role, path: string, shown = path): Role => {
  const asked =
    <In extends unknown[], Out>(hook: (...given: In) => Out) =>
    (...given: In): Out => {
      try {
        return hook.apply(role, given)
      } catch (error) {
        // A resource that is not right is told by whoever asked for it, with its host.
        if (error instanceof ZodError || error instanceof Problem || error instanceof Problems) throw error
        throw mistake(
          role.name,
          { file: shown, ...lineOf(path, error) },
          error instanceof Error ? `${error.name}: ${error.message}` : String(error),
          error,
        )
      }
    }
  const { listens, exposes, resources, check, drains, verify } = role
  const source = { name: role.name, file: shown }
  return {
    ...role,
    resources: asked((context: HostContext<unknown>) => checkResources(source, resources.call(role, context))),
    ...(listens && { listens: asked((context: SiteContext<unknown>) => checkListens(source, listens.call(role, context))) }),
    ...(exposes && { exposes: asked((context: SiteContext<unknown>) => checkExposes(source, exposes.call(role, context))) }),
    ...(drains && {
      drains: asked((context: SiteContext<unknown>, member: HostView) => checkDrain(source, drains.call(role, context, member))),
    }),
    ...(check && { check: asked(check) }),
    ...(verify && { verify: asked(verify) }),
  }
}

const peer = z.union([z.enum(['anyone', 'administrators']), z.object({ group: z.string() }), z.object({ host: z.string() })], {
  error: "must be 'anyone', 'administrators', { group } or { host }",
})
const listen = z.object({
  service: z.string(),
  port: z.number(),
  protocol: z.enum(['tcp', 'udp', 'vrrp']),
  from: z.array(peer),
  encrypted: z.boolean().optional(),
})

const word = z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be a short word such as nginx')
const expose = z.discriminatedUnion('type', [
  z.object({ type: z.literal('metrics'), job: word, format: z.enum(['prometheus', 'nginx-status', 'mysqld']), at: z.string().min(1) }),
  z.object({
    type: z.literal('probe'),
    name: z.string().min(1),
    of: z.enum(['site', 'direct']),
    url: z.url(),
    server: z.string().min(1),
    trusts: z.union([z.enum(['public', 'anybody']), z.object({ domain: word })]),
  }),
])

/** A role and the file it was read from, as messages name them. */
interface RoleSource {
  readonly name: string
  readonly file: string
}

const checkListens = <T>(source: RoleSource, listens: T): T => checked(source, 'listens', z.array(listen), listens)
const checkExposes = <T>(source: RoleSource, exposes: T): T => checked(source, 'exposes', z.array(expose), exposes)

/** Types are taken away, not checked, when a role is loaded: what the editor would have marked is found here. */
const checked = <T>(source: RoleSource, hook: string, schema: z.ZodType, given: T): T => {
  const [issue] = schema.safeParse(given).error?.issues ?? []
  if (issue === undefined) return given
  throw mistake(
    source.name,
    { file: source.file },
    `${hook}${issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}: ${issue.message}`,
  )
}

const checkDrain = <T>(source: RoleSource, drain: T): T => {
  if (drain === undefined || z.object({ out: z.string(), back: z.string() }).safeParse(drain).success) return drain
  throw mistake(source.name, { file: source.file }, 'drains: must give { out, back }, two scripts, or nothing')
}

const isResource = (one: unknown): boolean => typeof one === 'object' && one !== null && 'kind' in one && 'spec' in one

/** A generator that never ends, or a hole in a list, would break the engine far from where it was written. */
const checkResources = <T>(source: RoleSource, resources: T): T => {
  if (Array.isArray(resources) && resources.every(isResource)) return resources
  throw mistake(source.name, { file: source.file }, 'resources: must be a list of what file(), service() and the like give')
}

const mistake = (name: string, where: Where, why: string, cause?: unknown): Problem =>
  new Problem({ class: 'input', where, what: `role ${name} has a mistake`, why, fix: 'correct the role' }, { cause })

/** The line of the role's own file that threw, from the stack. */
const lineOf = (path: string, error: unknown): { line?: number; column?: number } => {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const after = stack.split(`${pathToFileURL(path).pathname}:`)[1]
  const [, line, column] = /^(\d+):(\d+)/.exec(after ?? '') ?? []
  return line === undefined ? {} : { line: Number(line), column: Number(column) }
}

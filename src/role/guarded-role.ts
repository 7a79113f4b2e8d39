import { relative } from 'node:path'
import { ZodError, z } from 'zod'
import { Problem, Problems, type Where } from '../problem.ts'
import { network } from '../resource/option/network.ts'
import { Script } from '../shell/script.ts'
import { type Place, placeOfError } from './error-place.ts'
import { packageHome } from './package-home.ts'
import type { FlowContext, HostContext, HostView, Role, SiteContext } from './role.ts'

/** Wraps a user's role: an error in one of its hooks becomes an input error with the role's file and line. `home`: the directory of its package. */
export const guardedRole = (role: Role, path: string, shown = path, home?: string): Role => {
  const guarded =
    <In extends unknown[], Out>(hook: (...given: In) => Out) =>
    (...given: In): Out => {
      try {
        return hook.apply(role, given)
      } catch (error) {
        const place = placeIn(error, home)
        // The caller reports an invalid resource, because it knows the host.
        if (error instanceof ZodError || error instanceof Problem || error instanceof Problems) throw error
        throw mistake(
          role.name,
          place === undefined || place.file === relative(process.cwd(), path) ? { ...place, file: shown } : place,
          error instanceof Error ? `${error.name}: ${error.message}` : String(error),
          error,
        )
      }
    }
  const { listens, connects, exposes, resources, check, drains, serves, verify } = role
  const source = { name: role.name, file: shown }
  return {
    ...role,
    resources: guarded((context: HostContext<unknown>) => checkResources(source, resources.call(role, context))),
    ...(listens && { listens: guarded((context: SiteContext<unknown>) => checkListens(source, listens.call(role, context))) }),
    ...(connects && {
      connects: guarded((context: SiteContext<unknown>) => checked(source, 'connects', z.array(connection), connects.call(role, context))),
    }),
    ...(exposes && { exposes: guarded((context: FlowContext<unknown>) => checkExposes(source, exposes.call(role, context))) }),
    ...(drains && {
      drains: guarded((context: FlowContext<unknown>, member: HostView) => checkDrain(source, drains.call(role, context, member))),
    }),
    ...(serves && { serves: guarded((context: FlowContext<unknown>) => checked(source, 'serves', script, serves.call(role, context))) }),
    ...(check && { check: guarded(check) }),
    ...(verify && { verify: guarded(verify) }),
  }
}

const peer = z.union(
  [
    z.enum(['anyone', 'administrators']),
    z.object({ group: z.string() }),
    z.object({ host: z.string() }),
    z.object({ network }),
    z.object({ set: z.string(), networks: z.array(network).min(1) }),
  ],
  {
    error: "must be 'anyone', 'administrators', { group }, { host }, { network } or { set, networks }",
  },
)
const listen = z.object({
  service: z.string(),
  port: z.number(),
  protocol: z.enum(['tcp', 'udp', 'vrrp']),
  from: z.array(peer),
  encrypted: z.boolean().optional(),
  why: z.string().optional(),
  forwarded: z.literal(true).optional(),
  interface: z.string().optional(),
  rate: z.object({ perMinute: z.int().positive(), burst: z.int().positive() }).optional(),
  sites: z.array(z.object({ names: z.array(z.string()), probe: z.object({ path: z.string(), status: z.number() }).optional() })).optional(),
})

const connection = z.object({ service: z.string(), port: z.int().min(1).max(65_535), protocol: z.enum(['tcp', 'udp']) })

const word = z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be a short word such as nginx')
const expose = z.discriminatedUnion('type', [
  z.object({ type: z.literal('metrics'), job: word, format: z.enum(['prometheus', 'nginx-status', 'mysqld']), at: z.string().min(1) }),
  z.object({
    type: z.literal('probe'),
    name: z.string().min(1),
    of: z.enum(['site', 'direct']),
    url: z.url(),
    server: z.string().min(1),
    status: z.int().min(100).max(599).optional(),
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

/** Checks a hook's result at run time, because loading a role strips its types without checking them. */
const checked = <T>(source: RoleSource, hook: string, schema: z.ZodType, given: T): T => {
  const [issue] = schema.safeParse(given).error?.issues ?? []
  if (issue === undefined) return given
  throw mistake(
    source.name,
    { file: source.file },
    `${hook}${issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')}: ${issue.message}`,
  )
}

const script = z.union([z.instanceof(Script), z.string()])

const checkDrain = <T>(source: RoleSource, drain: T): T => {
  if (drain === undefined || z.object({ out: script, back: script }).safeParse(drain).success) return drain
  throw mistake(source.name, { file: source.file }, 'drains: must return { out, back }, two scripts, or undefined')
}

const isResource = (one: unknown): boolean => typeof one === 'object' && one !== null && 'kind' in one && 'spec' in one

/** A list is required: an endless generator or a hole would fail in the engine, far from its cause. */
const checkResources = <T>(source: RoleSource, resources: T): T => {
  if (Array.isArray(resources) && resources.every(isResource)) return resources
  throw mistake(source.name, { file: source.file }, 'resources: must return a list of resources, such as file() and service() return')
}

const mistake = (name: string, where: Where, why: string, cause?: unknown): Problem =>
  new Problem({ class: 'input', where, what: `role ${name} is invalid`, why, fix: 'correct the role' }, { cause })

/** The place in a file of the project, or of the package `home`, that threw: the role's own file, or one that it imports. */
export const placeIn = (error: unknown, home?: string): Place | undefined => {
  const place = placeOfError(error, [packageHome()], home)
  return place && { ...place, file: relative(process.cwd(), place.file) }
}

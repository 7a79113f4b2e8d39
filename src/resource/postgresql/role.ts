import { Secret } from '../../secret/secret.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { type Change, type Difference, defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { executeScript, forbidUnknown, mayAppear, observeAgain, planUnknown, within } from './cluster.ts'
import { standbyNotice } from './database.ts'
import { grantChanges, missingPlaces } from './role-grants.ts'
import { type FoundRole, type KnownRole, observeRoles, type RoleState } from './role-observe.ts'
import { databasesOf, idOf, type RoleSpec, schema } from './role-spec.ts'
import { roleStatements } from './role-sql.ts'
import { scramVerifier } from './scram.ts'

/**
 * A role of a cluster of PostgreSQL, with exactly these attributes, memberships and privileges. The server receives and stores a verifier
 * of the password (SCRAM-SHA-256), never the password. A table that does not exist yet delays only the grants on it.
 */
export const postgresqlRole = defineKind({
  name: 'postgresql-role',
  summary: 'role of PostgreSQL, with exactly the declared privileges',
  schema,
  id: idOf,
  observe: observeRoles,

  plan: (spec, state: RoleState, context): Change | undefined => {
    if (state.is !== 'known') return planUnknown(state.is, spec.state, context)
    if (spec.state === 'absent') {
      const certainty = state.ownsIn.length === 0 ? 'exact' : 'dependent'
      return state.role === undefined || keptFor(spec, state, context).length > 0
        ? undefined
        : { action: 'delete', certainty, reason: 'declared absent', differences: [] }
    }
    const certainty = lacksFor(spec, state).length === 0 ? 'exact' : 'dependent'
    if (state.role === undefined) return { action: 'create', certainty, reason: 'missing', differences: [] }
    const differences = differencesOf(spec, state, state.role)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty, reason: describeDifferences(differences, ['roles']), differences }
  },

  forbids: (spec, state, context) => {
    const what = `postgresql-role ${idOf(spec)}`
    if (state.is !== 'known') return forbidUnknown(what, spec, state, context)
    const [lack] = mayAppear(context) ? [] : lacksFor(spec, state).filter((one) => !isPending(spec, one, context))
    return lack === undefined
      ? undefined
      : new HostRefusal(
          `${what} names a ${lack.sort} that does not exist`,
          `the cluster has no ${lack.sort} ${lack.name}`,
          `declare the postgresql-${lack.sort} ${lack.name} before it`,
        )
  },

  notices: (spec, state, context) => {
    const what = `postgresql-role ${idOf(spec)}`
    if (state.is === 'standby') return [standbyNotice(what)]
    if (state.is !== 'known') return []
    if (spec.state === 'absent') {
      const kept = keptFor(spec, state, context).join(', ')
      return kept === ''
        ? []
        : [`${what} is kept because it owns objects in ${kept}; give them to another role (REASSIGN OWNED BY) or delete them`]
    }
    const named = databasesOf(spec)
    const others = state.grantedIn.filter((database) => database !== 'all databases' && !named.includes(database))
    return [
      ...missingPlaces(spec, state).map(
        (place) => `${place} does not exist, so ${what} gets no privileges on it; create it, then run again`,
      ),
      ...(others.length === 0
        ? []
        : [
            `${what} has privileges within ${others.join(', ')}, which are not compared; name ${others.length === 1 ? 'it' : 'them'} in a grant`,
          ]),
    ]
  },

  contained: true,
  orphan: {
    keep: 'an application may still use it; declare it with state: absent to delete it, in the options of its role or as a resource',
  },

  *apply(work: readonly Work<RoleSpec, RoleState>[]): Steps {
    const again = yield* observeAgain(observeRoles, work)
    const done: string[] = []
    for (const one of work) {
      const { id, spec, afterScripts } = one
      const state = again.get(id) ?? one.state
      if (state.is !== 'known') continue
      const input = new Secret(roleStatements(spec, state, { changes: grantChanges(spec, state), afterScripts: afterScripts === true }))
      const answer = yield { do: 'shell', script: executeScript(spec.cluster), input, doing: 'changing PostgreSQL roles' }
      if (answer.code !== 0) {
        const fix = answer.code === CHANGED ? FIX_CHANGED : 'correct what the server reports, then run again'
        throw new HostRefusal(`postgresql-role ${id} not changed`, outputExcerpt(answer.stderr), fix, { done, culprit: id })
      }
      done.push(id)
    }
  },
})

/** Something that a spec needs, and the cluster does not have. */
interface Lack {
  readonly sort: 'role' | 'database'
  readonly name: string
}

const lacksFor = (spec: RoleSpec, { roles, databases }: KnownRole): readonly Lack[] =>
  spec.state === 'absent'
    ? []
    : [
        ...databasesOf(spec).flatMap((name): Lack[] => (databases.has(name) ? [] : [{ sort: 'database', name }])),
        ...[...spec.memberOf, ...spec.grants.flatMap(({ createdBy }) => createdBy ?? [])].flatMap((name): Lack[] =>
          // The roles of the server itself exist in its version.
          roles.has(name) || name === spec.name ? [] : [{ sort: 'role', name }],
        ),
      ]

/** Databases for which a role that is declared absent is kept: it owns them or something in them, and no earlier resource deletes them. */
const keptFor = ({ cluster }: RoleSpec, { ownsIn }: KnownRole, context: PlanContext): readonly string[] =>
  ownsIn.filter((database) => context.deletes?.(`postgresql-database:${within(cluster, database)}`) !== true)

const isPending = ({ cluster }: RoleSpec, { sort, name }: Lack, context: PlanContext): boolean =>
  context.changes(`postgresql-${sort}:${within(cluster, name)}`)

const differencesOf = (spec: RoleSpec, state: KnownRole, role: FoundRole): readonly Difference[] => {
  const { login, superuser, createdb, createrole, replication, bypassRls, inherit, connectionLimit } = spec
  const attributes = { login, superuser, createdb, createrole, replication, bypassRls, inherit, connectionLimit }
  const changes = grantChanges(spec, state)
  const shown = (gives: boolean): string => changes.flatMap((one) => (one.gives === gives ? [one.shown] : [])).join(', ') || '-'
  const [from, to] = [role.memberOf.toSorted(), spec.memberOf.toSorted()]
  const validUntil = role.validUntil?.replace(/ 00:00:00\+00$/, '') ?? 'no limit'
  return [
    ...differing(attributes, role),
    ...differing({ 'valid until': spec.validUntil ?? 'no limit' }, { 'valid until': validUntil }),
    ...(isPassword(spec, state, role) ? [] : [{ key: 'password' }]),
    ...(JSON.stringify(from) === JSON.stringify(to) ? [] : [{ key: 'roles', from: from.join(', ') || '-', to: to.join(', ') || '-' }]),
    ...(changes.length === 0 ? [] : [{ key: 'grants', from: shown(false), to: shown(true) }]),
  ]
}

/** Whether the stored verifier is one of the declared password, with the salt of the server. */
const isPassword = ({ password }: RoleSpec, { nonce }: KnownRole, { hasPassword, passwordDigest, scram }: FoundRole): boolean => {
  if (password === undefined) return !hasPassword
  const [iterations, salt] = scram?.split(':') ?? []
  if (salt === undefined) return false
  const verifier = scramVerifier(password.reveal(), { salt, iterations: Number(iterations) })
  return verifier !== undefined && passwordDigest === sha256Hex(nonce + verifier)
}

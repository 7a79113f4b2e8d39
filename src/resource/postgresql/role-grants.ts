import { allPlace, between, databasePlace, type GrantChange, laterPlace, relationPlace, schemaPlace } from './place.ts'
import type { Target } from './privileges.ts'
import type { DatabaseGrants, KnownRole } from './role-observe.ts'
import { databasesOf, type Grant, type RoleSpec } from './role-spec.ts'

const NOTHING: DatabaseGrants = {
  grants: { schemas: [], relations: [], defaults: [] },
  ...{ digest: '', existing: new Set(), lacking: new Map() },
}

/** A database that the grants of a role name. */
interface Inside {
  readonly role: string
  readonly database: string
  readonly found: DatabaseGrants
  /** It did not exist at the observation, so what the grants name in it is not missing yet. */
  readonly isNew: boolean
  /** Grants in this database, with their index in the spec. */
  readonly grants: readonly (Grant & { readonly i: number })[]
}

const union = (grants: readonly Grant[]): readonly string[] => [...new Set(grants.flatMap(({ privileges }) => privileges))].sort()

/** Privileges on databases: exactly the declared ones, in all databases of the cluster. */
const databaseChanges = ({ name, grants }: RoleSpec, { role, databases }: KnownRole): readonly GrantChange[] => {
  const has = new Map(role?.databases)
  const wanted = Map.groupBy(
    grants.filter(({ target }) => target === 'database'),
    ({ database }) => database,
  )
  return [...new Set([...has.keys(), ...wanted.keys()])].flatMap((database) =>
    between(
      name,
      databasePlace(database, has.has(database) || databases.has(database)),
      union(wanted.get(database) ?? []),
      has.get(database) ?? [],
    ),
  )
}

const schemaChanges = ({ role, database, found, isNew, grants }: Inside): readonly GrantChange[] => {
  const has = new Map(found.grants.schemas)
  const wanted = grants.filter(({ target, schema }) => target === 'schema' && (isNew || found.existing.has(schema)))
  return [...new Set([...has.keys(), ...wanted.map(({ schema }) => schema)])].flatMap((schema) =>
    between(role, schemaPlace(database, schema), union(wanted.filter((one) => one.schema === schema)), has.get(schema) ?? []),
  )
}

/** Declared privileges on a table or a sequence. */
const wantedOn = ({ grants }: Inside, [schema, target, name]: readonly [string, Target, string]): readonly string[] =>
  union(grants.filter((one) => one.schema === schema && one.target === target && (one.names === 'all' || one.names.includes(name))))

/**
 * Whether more relations have privileges that are not declared than the answer names. These are then revoked from all of the schema, and
 * the declared ones are granted again.
 */
const isWide = (inside: Inside, schema: string, target: Target): boolean =>
  inside.found.grants.relations.some(
    ([one, sort, has, names, count]) =>
      one === schema && sort === target && count > names.length && excessOf(inside, [schema, target, '']).some((p) => has.includes(p)),
  )

/** Privileges that relations of a schema have, and that are not declared for this one. */
const excessOf = (inside: Inside, place: readonly [string, Target, string]): readonly string[] => {
  const has = inside.found.grants.relations.flatMap(([schema, target, privileges]) =>
    schema === place[0] && target === place[1] ? privileges : [],
  )
  const wanted = wantedOn(inside, place)
  return has.filter((one) => !wanted.includes(one))
}

const excessChanges = (inside: Inside): readonly GrantChange[] => {
  const { role, database, found } = inside
  const wide = new Map(
    found.grants.relations.flatMap(([schema, target]): [string, readonly GrantChange[]][] =>
      isWide(inside, schema, target)
        ? [
            [
              `${schema}/${target}`,
              between(role, allPlace(database, schema, target), [], [...new Set(excessOf(inside, [schema, target, '']))]),
            ],
          ]
        : [],
    ),
  )
  return [
    ...[...wide.values()].flat(),
    ...found.grants.relations.flatMap(([schema, target, has, names]) =>
      wide.has(`${schema}/${target}`)
        ? []
        : names.flatMap((name) =>
            between(role, relationPlace(database, target, [schema, name]), wantedOn(inside, [schema, target, name]), has).filter(
              ({ gives }) => !gives,
            ),
          ),
    ),
  ]
}

const givenChanges = (inside: Inside): readonly GrantChange[] => {
  const { role, database, found, isNew } = inside
  const exists = (key: string): boolean => isNew || found.existing.has(key)
  const onAll = ({ schema, target, privileges, i }: Inside['grants'][number]): readonly GrantChange[] =>
    exists(schema) && (isNew || (found.lacking.get(i) ?? 0) > 0 || isWide(inside, schema, target))
      ? between(role, allPlace(database, schema, target), privileges, [])
      : []
  const onOne = ({ schema, target, privileges }: Grant, name: string): readonly GrantChange[] => {
    if (!exists(`${schema}/${name}`)) return []
    const has = found.grants.relations.find((one) => one[0] === schema && one[1] === target && one[3].includes(name))?.[2] ?? []
    const lacking = privileges.filter((one) => !has.includes(one) && !has.includes(`${one} (grantable)`))
    return between(role, relationPlace(database, target, [schema, name]), isWide(inside, schema, target) ? privileges : lacking, [])
  }
  return inside.grants.flatMap((grant) => {
    if (grant.target !== 'tables' && grant.target !== 'sequences') return []
    return grant.names === 'all' ? onAll(grant) : grant.names.flatMap((name) => onOne(grant, name))
  })
}

const laterChanges = ({ role, database, found, isNew, grants }: Inside): readonly GrantChange[] => {
  const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts)
  const wanted = Map.groupBy(
    grants.filter(({ createdBy, schema }) => createdBy !== undefined && (isNew || found.existing.has(schema))),
    ({ createdBy = '', schema, target }) => keyOf(createdBy, schema, target),
  )
  const has = new Map(found.grants.defaults.map(([creator, schema, target, privileges]) => [keyOf(creator, schema, target), privileges]))
  return [...new Set([...has.keys(), ...wanted.keys()])].flatMap((key) => {
    const [creator = '', schema = '', target = ''] = JSON.parse(key) as readonly string[]
    return between(role, laterPlace(database, [creator, schema, target]), union(wanted.get(key) ?? []), has.get(key) ?? [])
  })
}

/** A grant without the places that the role owns: an owner has all privileges, and they are not reported as granted. */
const notOwned = (grant: Grant, { owned }: KnownRole): readonly Grant[] => {
  const { database, schema, target, names } = grant
  if (target === 'database') return owned.has(database) ? [] : [grant]
  if (target === 'schema') return owned.has(`${database}/${schema}`) ? [] : [grant]
  return [names === 'all' ? grant : { ...grant, names: names.filter((name) => !owned.has(`${database}/${schema}/${name}`)) }]
}

/** All changes of the privileges of a role. Those within a database that does not exist yet are made once it does. */
export const grantChanges = (spec: RoleSpec, state: KnownRole): readonly GrantChange[] => [
  ...databaseChanges({ ...spec, grants: spec.grants.flatMap((grant) => notOwned(grant, state)) }, state),
  ...databasesOf(spec).flatMap((database) => {
    const found = state.databases.get(database)
    const grants = spec.grants
      .flatMap((grant, i) => notOwned(grant, state).map((one) => ({ ...one, i })))
      .filter((grant) => grant.database === database)
    const inside = { role: spec.name, database, found: found ?? NOTHING, isNew: found === undefined, grants }
    return [...schemaChanges(inside), ...excessChanges(inside), ...givenChanges(inside), ...laterChanges(inside)]
  }),
]

/** Schemas, tables and sequences that the grants name and that do not exist: the role gets no privileges on them. */
export const missingPlaces = ({ grants }: RoleSpec, { databases }: KnownRole): readonly string[] => {
  const missing = grants.flatMap(({ database, target, schema, names }) => {
    const found = databases.get(database)
    if (found === undefined || target === 'database') return []
    if (!found.existing.has(schema)) return [`schema ${database}.${schema}`]
    if (names === 'all') return []
    const word = target === 'sequences' ? 'sequence' : 'table'
    return names.filter((name) => !found.existing.has(`${schema}/${name}`)).map((name) => `${word} ${database}.${schema}.${name}`)
  })
  return [...new Set(missing)]
}

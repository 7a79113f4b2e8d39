import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { sha256Hex } from '../kind/content.ts'
import type { Row, Unknown } from './cluster.ts'
import { observeClusters } from './observe.ts'
import { databasesOf, type Grant, idOf, type RoleSpec } from './role-spec.ts'
import { inDatabase, sqlText, sqlTexts } from './sql.ts'

const names = z.array(z.string())

/** A role, as the server has it. Its password appears only as a digest with a nonce that is new in every observation. */
const foundRole = z.object({
  login: z.boolean(),
  superuser: z.boolean(),
  createdb: z.boolean(),
  createrole: z.boolean(),
  replication: z.boolean(),
  bypassRls: z.boolean(),
  inherit: z.boolean(),
  connectionLimit: z.number(),
  /** `2027-12-31 00:00:00+00`, or null. */
  validUntil: z.string().nullable(),
  hasPassword: z.boolean(),
  passwordDigest: z.string(),
  /** Iterations and salt of a SCRAM verifier: `4096:SALT`. */
  scram: z.string().nullable(),
  /** Names, with ` (admin)` if it can make others members. */
  memberOf: names,
  /** Databases with privileges, which have ` (grantable)` if the role may grant them to others. */
  databases: z.array(z.tuple([z.string(), names])),
})

export type FoundRole = Readonly<z.output<typeof foundRole>>

const target = z.enum(['tables', 'sequences'])

/** The grants of a role within a database. */
const foundGrants = z.object({
  /** Schema and privileges. */
  schemas: z.array(z.tuple([z.string(), names])),
  /** Tables or sequences of a schema with the same privileges: the first names, and their number. */
  relations: z.array(z.tuple([z.string(), target, names, names, z.number()])),
  /** Creator, schema or an empty name, and privileges. */
  defaults: z.array(z.tuple([z.string(), z.string(), target, names])),
})

export type FoundGrants = Readonly<z.output<typeof foundGrants>>

/** A database that the grants of a role name. */
export interface DatabaseGrants {
  readonly grants: FoundGrants
  readonly digest: string
  /** Schemas, and tables and sequences as `schema/name`, that the grants name and the database has. */
  readonly existing: ReadonlySet<string>
  /** By the index of a grant on all tables or sequences: the number of those on which the role lacks it. */
  readonly lacking: ReadonlyMap<number, number>
}

export interface KnownRole {
  readonly is: 'known'
  readonly role: FoundRole | undefined
  readonly nonce: string
  /** Digest of the answer about its attributes, empty if it does not exist. */
  readonly digest: string
  /** Databases that the grants name and the cluster has. */
  readonly databases: ReadonlyMap<string, DatabaseGrants>
  /** Roles that the spec names and the cluster has. */
  readonly roles: ReadonlySet<string>
  /** What the role owns among the places of its grants: `database`, `database/schema` and `database/schema/table`. */
  readonly owned: ReadonlySet<string>
  /** Databases where the role has privileges, or owns something. */
  readonly grantedIn: readonly string[]
  readonly ownsIn: readonly string[]
}

export type RoleState = KnownRole | Unknown

const grantable = "privilege_type || CASE WHEN is_grantable THEN ' (grantable)' ELSE '' END"
const privileges = `json_agg(${grantable} ORDER BY ${grantable})`

/** SQL of the attributes of a role. */
export const attributesSql = (name: string, nonce: string): string => `SELECT json_build_object('login', rolcanlogin, 'superuser', rolsuper,
 'createdb', rolcreatedb, 'createrole', rolcreaterole, 'replication', rolreplication, 'bypassRls', rolbypassrls, 'inherit', rolinherit,
 'connectionLimit', rolconnlimit, 'validUntil', NULLIF(rolvaliduntil::text, 'infinity'), 'hasPassword', rolpassword IS NOT NULL,
 'passwordDigest', encode(sha256(convert_to(${sqlText(nonce)} || COALESCE(rolpassword, ''), 'UTF8')), 'hex'),
 'scram', substring(rolpassword FROM '^SCRAM-SHA-256[$]([0-9]{1,9}:[A-Za-z0-9+/=]{1,200})[$]')) FROM pg_authid WHERE rolname = ${sqlText(name)}`

/**
 * SQL of the memberships of a role, and of its privileges on databases. A role that can create others is a member of those with neither
 * their privileges nor the right to become them.
 */
export const sharedSql = (
  name: string,
): string => `SELECT jsonb_build_object('memberOf', COALESCE((SELECT json_agg(n ORDER BY n COLLATE "C")
  FROM (SELECT g.rolname || CASE WHEN bool_or(m.admin_option) THEN ' (admin)' ELSE '' END AS n
  FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid
  AND (NOT r.rolcreaterole OR COALESCE((to_jsonb(m)->>'inherit_option')::boolean, true) OR COALESCE((to_jsonb(m)->>'set_option')::boolean, true))
  GROUP BY g.rolname) o), '[]'),
 'databases', COALESCE((SELECT json_agg(json_build_array(datname, p) ORDER BY datname COLLATE "C") FROM (SELECT datname, ${privileges} AS p
  FROM pg_database, aclexplode(datacl) a WHERE a.grantee = r.oid AND a.grantor = datdba AND datdba <> r.oid GROUP BY datname) o), '[]'))
 FROM pg_roles r WHERE rolname = ${sqlText(name)}`

const NAMES_SHOWN = 100

/** Kinds of relations, as \`pg_class\` has them. */
const KINDS = { tables: "('r', 'v', 'm', 'f', 'p')", sequences: "('S')" }

const oidOf = (name: string): string => `(SELECT oid FROM pg_roles WHERE rolname = ${sqlText(name)})`

/** SQL of the grants of a role within the present database. Privileges of the owner of an object are no grants. */
export const grantsSql = (name: string): string => `SELECT json_build_object(
 'schemas', COALESCE((SELECT json_agg(json_build_array(nspname, p) ORDER BY nspname COLLATE "C") FROM (SELECT nspname, ${privileges} AS p
  FROM pg_namespace, aclexplode(nspacl) a WHERE a.grantee = r.oid AND a.grantor = nspowner AND nspowner <> r.oid GROUP BY nspname) o), '[]'),
 'relations', COALESCE((SELECT json_agg(json_build_array(nspname, t, p::json, names, n) ORDER BY nspname COLLATE "C", t, p) FROM (
  SELECT nspname, t, p, to_json((array_agg(relname ORDER BY relname COLLATE "C"))[1:${NAMES_SHOWN}]) AS names, count(*) AS n FROM (
   SELECT nspname, relname, CASE relkind WHEN 'S' THEN 'sequences' ELSE 'tables' END AS t, ${privileges}::text AS p
   FROM pg_class c JOIN pg_namespace s ON s.oid = relnamespace, aclexplode(relacl) a
   WHERE a.grantee = r.oid AND a.grantor = relowner AND relowner <> r.oid AND relkind IN ('r', 'v', 'm', 'f', 'p', 'S')
   GROUP BY nspname, relname, relkind) one GROUP BY nspname, t, p) o), '[]'),
 'defaults', COALESCE((SELECT json_agg(json_build_array(creator, schema, t, p) ORDER BY creator COLLATE "C", schema COLLATE "C", t) FROM (
  SELECT pg_get_userbyid(defaclrole) AS creator, COALESCE(nspname, '') AS schema, CASE defaclobjtype WHEN 'S' THEN 'sequences' ELSE 'tables' END AS t, ${privileges} AS p
  FROM pg_default_acl d LEFT JOIN pg_namespace s ON s.oid = defaclnamespace, aclexplode(defaclacl) a
  WHERE a.grantee = r.oid AND defaclrole <> r.oid AND defaclobjtype IN ('r', 'S') GROUP BY defaclrole, nspname, defaclobjtype) o), '[]'))
 FROM pg_roles r WHERE rolname = ${sqlText(name)}`

/** SQL of the number of tables or sequences of a schema on which a role lacks one of these privileges. */
const lackingSql = (role: string, { schema, target, privileges: wanted }: Grant): string =>
  `SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ${sqlText(schema)} AND relkind IN ${target === 'sequences' ? KINDS.sequences : KINDS.tables}
 AND relowner <> ${oidOf(role)} AND NOT ${sqlTexts(wanted)} <@ ARRAY(SELECT privilege_type FROM aclexplode(relacl) a WHERE a.grantee = ${oidOf(role)} AND a.grantor = relowner)`

/** A schema as `schema`, and named tables and sequences as `schema/name`. */
const placesOf = ({ schema, target, names }: Grant): readonly string[] => {
  if (target === 'database') return []
  if (target === 'schema') return [schema]
  return names === 'all' ? [] : names.map((name) => `${schema}/${name}`)
}

/** SQL of those places in a database that a role owns. */
const ownedSql = (role: string, places: readonly string[]): string =>
  `(SELECT json_agg(place) FROM (SELECT nspname::text AS place FROM pg_namespace WHERE nspowner = ${oidOf(role)}
 UNION SELECT nspname || '/' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relowner = ${oidOf(role)}) o WHERE place = ANY (${sqlTexts(places)}))`

const row = (sort: string, key: readonly string[], value: string): string =>
  `SELECT json_build_array(${[sort, ...key].map(sqlText).join(', ')}, ${value});\n`

const sharedQuestions = ({ name, memberOf, grants }: RoleSpec, nonce: string): string => {
  const roles = new Set([...memberOf, ...grants.flatMap(({ createdBy }) => createdBy ?? [])])
  const inDatabases = (type: 'a' | 'o'): string =>
    `(SELECT json_agg(DISTINCT COALESCE(datname, 'all databases')) FROM pg_shdepend LEFT JOIN pg_database d ON d.oid = dbid WHERE refclassid = 'pg_authid'::regclass AND refobjid = ${oidOf(name)} AND deptype = '${type}' AND classid <> 'pg_database'::regclass)`
  const owned = `(SELECT json_agg(datname) FROM pg_database WHERE datdba = ${oidOf(name)})`
  return [
    row('role', [name], `(${attributesSql(name, nonce)})::text`),
    row('shared', [name], `(${sharedSql(name)})`),
    row('owned', [name], owned),
    row('granted', [name], inDatabases('a')),
    row('owns', [name], `COALESCE(${inDatabases('o')}::jsonb, '[]') || COALESCE(${owned}::jsonb, '[]')`),
    ...[...roles].map((one) => row('exists', [one], `${oidOf(one)} IS NOT NULL`)),
  ].join('')
}

const grantQuestions = (spec: RoleSpec, database: string): string => {
  const inside = spec.grants.flatMap((grant, i) => (grant.database === database ? [{ grant, i }] : []))
  const places = inside.flatMap(({ grant }) => placesOf(grant))
  const schemas = new Set(inside.flatMap(({ grant: { schema } }) => (schema === '' ? [] : [schema])))
  return [
    row('grants', [spec.name, database], `(${grantsSql(spec.name)})::text`),
    row('owned inside', [spec.name, database], ownedSql(spec.name, places)),
    ...[...schemas].map((schema) =>
      row('has', [database, schema], `EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = ${sqlText(schema)})`),
    ),
    ...inside.flatMap(({ grant, i }) => {
      const { schema, target, names } = grant
      if (names === 'all') return [row('lacking', [spec.name, database, String(i)], `(${lackingSql(spec.name, grant)})`)]
      const kinds = target === 'sequences' ? KINDS.sequences : KINDS.tables
      return names.map((name) =>
        row(
          'has',
          [database, `${schema}/${name}`],
          `EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = ${sqlText(schema)} AND relname = ${sqlText(name)} AND relkind IN ${kinds})`,
        ),
      )
    }),
  ].join('')
}

const questionsOf = (specs: readonly RoleSpec[], nonce: string): string => {
  const databases = [...new Set(specs.flatMap(databasesOf))]
  const inside = (database: string, tag: number): string =>
    inDatabase(
      database,
      tag,
      specs.flatMap((spec) => (databasesOf(spec).includes(database) ? [grantQuestions(spec, database)] : [])).join(''),
    )
  return `${specs.map((spec) => sharedQuestions(spec, nonce)).join('')}${databases.map(inside).join('')}`
}

/** One question for all roles. */
export const observeRoles = (specs: readonly RoleSpec[]) => {
  const nonce = randomBytes(16).toString('hex')
  return observeClusters(specs, {
    idOf,
    questionsOf: (some) => questionsOf(some, nonce),
    stateOf: (spec, rows) => stateOf(spec, nonce, rows),
  })
}

const stateOf = (spec: RoleSpec, nonce: string, rows: readonly Row[]): KnownRole => {
  const { name } = spec
  const of = (sort: string, ...key: readonly string[]): readonly Row[] =>
    rows.filter((one) => one[0] === sort && key.every((word, i) => one[i + 1] === word))
  const databaseNames = (sort: string): readonly string[] => {
    const value = of(sort, name)[0]?.[2]
    return Array.isArray(value) ? [...new Set(value.map(String))] : []
  }
  const [role, granted] = [of('role', name)[0], of('granted', name)[0]]
  if (role === undefined || granted === undefined) throw new Error(`psql did not report the role ${name}`)
  const text = role[2]
  const databases = databasesOf(spec).flatMap((database): [string, DatabaseGrants][] => {
    const found = of('grants', name, database)[0]
    if (found === undefined) return []
    return [
      [
        database,
        {
          grants: typeof found[3] === 'string' ? foundGrants.parse(JSON.parse(found[3])) : { schemas: [], relations: [], defaults: [] },
          digest: sha256Hex(typeof found[3] === 'string' ? found[3] : ''),
          existing: new Set(of('has', database).flatMap((one) => (one[3] === true ? [String(one[2])] : []))),
          lacking: new Map(of('lacking', name, database).map((one) => [Number(one[3]), Number(one[4])])),
        },
      ],
    ]
  })
  const textsOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : [])
  const owned = [
    ...textsOf(of('owned', name)[0]?.[2]),
    ...of('owned inside', name).flatMap((one) => textsOf(one[3]).map((place) => `${String(one[2])}/${place}`)),
  ]
  return {
    ...{ is: 'known', nonce, databases: new Map(databases), owned: new Set(owned) },
    role: typeof text === 'string' ? foundRole.parse({ ...JSON.parse(text), ...Object(of('shared', name)[0]?.[2]) }) : undefined,
    digest: sha256Hex(typeof text === 'string' ? text : ''),
    roles: new Set(of('exists').flatMap((one) => (one[2] === true ? [String(one[1])] : []))),
    grantedIn: databaseNames('granted'),
    ownsIn: databaseNames('owns'),
  }
}

import { type Check, type Resource, type Role, z } from 'provision'

/** An invalid option, with its path. */
export type Fault = ReturnType<NonNullable<Role['check']>>[number]

/** First line of a file of the role. */
export const HEAD = '# Written by provision (role base).\n'

export const accountName = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')

/** Resources of one part of the role. The role combines the parts, so that resources of one kind form one batch. */
export interface Part {
  readonly packages?: readonly Resource[]
  readonly files?: readonly Resource[]
  readonly services?: readonly Resource[]
}

/** All parts as one list: packages first, in one transaction; services last, after the files that they load. */
export const assembled = (parts: readonly Part[]): readonly Resource[] => [
  ...parts.flatMap(({ packages = [] }) => packages),
  ...parts.flatMap(({ files = [] }) => files),
  ...parts.flatMap(({ services = [] }) => services),
]

/** A check that every one of these scripts succeeds. */
export const check = (name: string, ...scripts: readonly string[]): Check => ({ name, script: scripts.join(' &&\n') })

/** Options that the schema of a kind rejects, found before any host is asked. `at` maps the path of an issue to the path in the options. */
export const faultsIn = (
  schema: z.ZodType,
  options: unknown,
  at: (path: readonly PropertyKey[]) => readonly PropertyKey[],
  fix: string,
): readonly Fault[] =>
  (schema.safeParse(options).error?.issues ?? []).map((issue) => {
    // The issue of an invalid key is one level deeper.
    const message = (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined) ?? issue.message
    const [first = '', ...more] = at(issue.path)
    const last = more.at(-1) ?? first
    return { path: [first, ...more], what: `${typeof last === 'string' ? last : 'it'} ${message}`, fix }
  })

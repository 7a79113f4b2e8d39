import type { Check, Resource, Role, z } from 'provision'

/** A mistake in the options, at its place. */
export type Fault = ReturnType<NonNullable<Role['check']>>[number]

/** What one concern of the role wants. The role puts the parts together, so that alike resources of all of them are one batch. */
export interface Part {
  readonly packages?: readonly Resource[]
  readonly files?: readonly Resource[]
  readonly services?: readonly Resource[]
}

/** Parts as one list: packages first, in one transaction; services last, when all that they load is there. */
export const assembled = (parts: readonly Part[]): readonly Resource[] => [
  ...parts.flatMap(({ packages = [] }) => packages),
  ...parts.flatMap(({ files = [] }) => files),
  ...parts.flatMap(({ services = [] }) => services),
]

/** A check that every one of these scripts succeeds. */
export const check = (name: string, ...scripts: readonly string[]): Check => ({ name, script: scripts.join(' &&\n') })

/** What a kind would not take, found before any host is asked; `at` says where in the options it stands. */
export const faultsIn = (
  schema: z.ZodType,
  options: unknown,
  at: (path: readonly PropertyKey[]) => readonly PropertyKey[],
  fix: string,
): readonly Fault[] =>
  (schema.safeParse(options).error?.issues ?? []).map((issue) => {
    // What is wrong with a key stands one level deeper.
    const message = (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined) ?? issue.message
    const [first = '', ...more] = at(issue.path)
    const last = more.at(-1) ?? first
    return { path: [first, ...more], what: `${typeof last === 'string' ? last : 'it'} ${message}`, fix }
  })

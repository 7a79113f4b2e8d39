import { z } from 'zod'
import { httpUsers } from './http-users.ts'
import { network } from './network.ts'

/** Options for who may visit a site, or a part of it. Both together: an address of these networks, and a password. */
export const accessOptions = {
  users: httpUsers.optional().meta({ description: 'visitors with their passwords (HTTP Basic)', examples: [{ ann: 'a long password' }] }),
  allow: z
    .array(network)
    .min(1)
    .optional()
    .meta({ description: 'networks of the visitors; others get status 403', examples: [['192.0.2.0/24']] }),
}

/** Options for who may visit a part of a site. */
export const partAccessOptions = {
  ...accessOptions,
  public: z.boolean().default(false).meta({ description: 'true: neither passwords nor networks of the parts above apply' }),
}

/** Who may visit a site or a part of it, as given by these options. */
interface Given {
  readonly users?: z.output<typeof httpUsers> | undefined
  readonly allow?: readonly string[] | undefined
  readonly public?: boolean | undefined
}

/** A site with its parts by path. */
interface GivenSite extends Given {
  readonly locations?: Readonly<Record<string, Given>> | undefined
}

/** Passwords and networks that apply to a path. */
export interface Access {
  /** The part whose users may visit it; empty for the site itself. */
  readonly usersOf?: string
  readonly allow?: readonly string[]
}

/** Returns the parts to which a path belongs, the innermost last. */
export const partsAbove = (locations: Readonly<Record<string, unknown>>, path: string): readonly string[] =>
  Object.keys(locations)
    .filter((other) => path === other || path.startsWith(`${other}/`))
    .toSorted((one, other) => one.length - other.length)

/** Returns the access of the site itself (`''`) or of a part: its own, or that of the longest part above. */
export const accessOf = ({ locations = {}, ...site }: GivenSite, path: string): Access =>
  partsAbove(locations, path).reduce((outer, at) => within(outer, at, locations[at] ?? {}), within({}, '', site))

const within = (outer: Access, at: string, { users, allow, public: isPublic = false }: Given): Access => ({
  ...(isPublic ? {} : outer),
  ...(users !== undefined && { usersOf: at }),
  ...(allow !== undefined && { allow }),
})

/** Returns the users of the site itself (`''`) and of its parts, for each that has its own. */
export const usersByPart = ({ users, locations = {} }: GivenSite) =>
  Object.entries({ '': { users }, ...locations }).flatMap(([path, one]) => (one.users === undefined ? [] : [{ path, users: one.users }]))

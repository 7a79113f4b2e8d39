import { file, passwordHash, type Resource, type Secret, text } from 'provision'
import { usersFile } from './locations.ts'
import type { SiteOptions } from './options.ts'

/** Files with the users of a site and of its parts, which the workers of nginx read for each request. */
export const usersResources = (site: SiteOptions, host: string): readonly Resource[] => {
  const parts = [['', site.users] as const, ...Object.entries(site.locations).map(([path, { users }]) => [path, users] as const)]
  return parts.flatMap(([path, users]) => (users === undefined ? [] : [usersOf(usersFile(site.name, path), users, host)]))
}

const usersOf = (path: string, users: Readonly<Record<string, Secret>>, host: string): Resource =>
  file({
    path,
    mode: '640',
    group: 'www-data',
    content: {
      type: 'text',
      parts: Object.entries(users).flatMap(
        ([name, password]) => text`${name}:${passwordHash(password, `${host} ${path} ${name}`)}\n`.parts,
      ),
    },
  })

/** Whether a site passes requests to an application whose certificate an authority of the host verifies. */
export const needsAuthorities = ({ locations }: SiteOptions): boolean =>
  Object.values(locations).some(({ proxy }) => proxy?.startsWith('https:') === true)

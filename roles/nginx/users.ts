import { file, httpUsersFile, type Resource, usersByPart } from 'provision'
import { isHttps, usersFile } from './locations.ts'
import type { SiteOptions } from './options.ts'

/** Files with the users of a site and of its parts, which the workers of nginx read for each request. */
export const usersResources = (site: SiteOptions, host: string): readonly Resource[] =>
  usersByPart(site).map(({ path: part, users }) => {
    const path = usersFile(site.name, part)
    return file({ path, mode: '640', group: 'www-data', content: httpUsersFile(users, `${host} ${path}`) })
  })

/** Whether a site passes requests to an application whose certificate an authority of the host verifies. */
export const needsAuthorities = ({ proxy, locations }: SiteOptions): boolean =>
  [proxy, ...Object.values(locations).map((part) => part.proxy)].some((proxies) => proxies?.some(isHttps))

import { type HostView, isReplicatedServer, replicatedMembers, type SiteContext } from 'provision'
import type { Options } from './options.ts'

type Fault = { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }

/** Invalid options, found before any host is asked. */
export const faultsOf = ({ options: given, host, site }: SiteContext<Options>): readonly Fault[] => {
  const { servers, primary, clients } = replicatedMembers(given, site)
  const isIn = (hosts: readonly HostView[]): boolean => hosts.some(({ name }) => name === host.name)
  const repeated = given.users.find(({ name }, i) => given.users.findIndex((one) => one.name === name) < i)
  return [
    ...(servers.length === 0
      ? [{ path: ['servers'], what: `group ${given.servers} has no hosts`, fix: 'set `servers` to the group of the servers' }]
      : isReplicatedServer(given, site, host) || isIn(clients)
        ? []
        : [
            {
              path: ['servers'],
              what: `${host.name} is in none of the groups ${[given.servers, ...given.clients].join(', ')}`,
              fix: 'bind the role to these groups only, or add the host to one of them',
            },
          ]),
    ...(servers.length > 0 && primary === undefined
      ? [
          {
            path: ['primary'],
            what: `${given.primary} is not a server (group ${given.servers})`,
            fix: `name one of ${servers.map(({ name }) => name).join(', ')}`,
          },
        ]
      : []),
    ...(servers.length > 1 && given.persistence === 'none'
      ? [
          {
            path: ['persistence'],
            what: 'a primary without persistence is empty after a restart, and its replicas delete their data as well',
            fix: 'remove `persistence`, or leave one host in the group',
          },
        ]
      : []),
    ...(repeated === undefined
      ? []
      : [{ path: ['users'], what: `the user ${repeated.name} is listed twice`, fix: 'remove one of the two' }]),
  ]
}

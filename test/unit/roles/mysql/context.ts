import mysql from '../../../../roles/mysql/role.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Facts, Flow, HostContext, HostView } from '../../../../src/role/role.ts'
import { unknownIdentities } from '../context.ts'

type Options = ReturnType<typeof mysql.options.parse>

export const hostOf = (name: string, groups: readonly string[], ...addresses: string[]): HostView => ({
  name,
  user: 'ops',
  sshPort: 22,
  addresses,
  publicAddresses: addresses,
  groups,
})

/** An arbitrator, and two servers with applications and another host with applications, by addresses of this machine. */
export const HOSTS: readonly HostView[] = [
  hostOf('lb-01', ['database_arbitrators'], '127.0.0.11'),
  hostOf('web-01', ['database', 'web'], '127.0.0.12'),
  hostOf('web-02', ['database', 'web'], '127.0.0.13'),
  hostOf('app-01', ['web'], '127.0.0.14'),
]

export const RECIPIENT = 'age1cucy0ntxyydd6al6ncc35ngvqpknry4m79v5kap7n546tfexqcaqy9u33e'

export const contextOf = (name: string, written: object = {}, hosts: readonly HostView[] = HOSTS): HostContext<Options> => {
  const options = mysql.options.parse(written)
  const of = hosts.find((one) => one.name === name)
  if (of === undefined) throw new Error(`no host ${name}`)
  const store: Flow = {
    host: 'lb-01',
    role: 'mysql',
    service: 'database-store',
    port: options.backups?.port ?? 0,
    protocol: 'tcp',
    encrypted: true,
    from: [],
  }
  return {
    ...unknownIdentities,
    host: of,
    options,
    site: { hosts, group: (group) => hosts.filter(({ groups }) => groups.includes(group)), withRole: () => [] },
    facts: { distribution: 'debian', release: '12', memoryMB: 4096 } as Facts,
    flows: [store],
    exposed: [],
  }
}

/** Text of a file or unit that the role declares on a host. */
export const textOf = (name: string, key: string, written: object = {}, hosts?: readonly HostView[]): string => {
  const spec = mysql.resources(contextOf(name, written, hosts)).find((resource: Resource) => keyOf(resource) === key)?.spec as
    | { content?: Content; file?: { content: Content } }
    | undefined
  const content = spec?.content ?? spec?.file?.content
  if (content === undefined) throw new Error(`no ${key}`)
  return shownText(content) ?? ''
}

/** Script of a check of `provision verify`. */
export const checkOf = (name: string, title: string, written: object = {}, hosts?: readonly HostView[]): string => {
  const found = (mysql.verify?.(contextOf(name, written, hosts)) ?? []).find((check) => check.name === title)
  if (found === undefined) throw new Error(`no check ${title}`)
  return String(found.script)
}

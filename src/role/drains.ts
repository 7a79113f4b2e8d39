import type { Bindings } from './bind.ts'
import type { Drain } from './role.ts'

/** How one host is taken out at another, by what a role there says. */
export interface Draining extends Drain {
  readonly member: string
  readonly at: string
  readonly role: string
  /** The options of that role: what their secrets are must not be shown. */
  readonly options: unknown
}

/** Everywhere that a host is to be taken out while it is changed: what all roles on all hosts of the site say. */
export const drainsOf = ({ bound }: Bindings, name: string): readonly Draining[] =>
  bound.flatMap(({ host: at, role, context }, i): readonly Draining[] => {
    const member = context.site.hosts.find((host) => host.name === name)
    if (role.drains === undefined || member === undefined) return []
    // A role that two plays bind to a host is one role.
    if (bound.findIndex((one) => one.host === at && one.role === role) < i) return []
    const drain = role.drains(context, member)
    return drain === undefined ? [] : [{ ...drain, member: name, at, role: role.name, options: context.options }]
  })

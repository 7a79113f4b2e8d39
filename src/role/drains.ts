import { scriptOf } from '../shell/script.ts'
import type { Bindings } from './bind.ts'
import type { Drain } from './role.ts'

/** The drain of one host at another, as a role there defines it. */
export interface Draining extends Drain {
  readonly member: string
  readonly at: string
  readonly role: string
  /** The options of that role; their secrets are masked in its messages. */
  readonly options: unknown
}

/** All hosts at which this host must be taken out of service while it is changed. */
export const drainsOf = ({ bound, flows }: Bindings, name: string): readonly Draining[] =>
  bound.flatMap(({ host: at, role, context }, i): readonly Draining[] => {
    const member = context.site.hosts.find((host) => host.name === name)
    if (role.drains === undefined || member === undefined) return []
    // Two plays may bind the same role to a host; it counts once.
    if (bound.findIndex((one) => one.host === at && one.role === role) < i) return []
    const drain = role.drains({ ...context, flows }, member)
    if (drain === undefined) return []
    const scripts = { out: scriptOf(drain.out), back: scriptOf(drain.back) }
    return [{ ...scripts, member: name, at, role: role.name, options: context.options }]
  })

import { ZodError } from 'zod'
import type { AcmeAccount, AcmeOptions } from '../identity/identities.ts'
import { Problem } from '../problem.ts'
import type { Resource } from '../resource/kind.ts'
import type { Bindings, Bound } from '../role/bind.ts'
import { projectFiles } from '../role/files.ts'
import type { Facts, HostContext } from '../role/role.ts'
import type { Listener } from './event.ts'
import { ownedBy } from './owned.ts'
import { type Placed, unite } from './place.ts'

/** What roles are given beside the host's facts. */
export interface Surroundings {
  readonly root: string
  readonly bindings: Bindings
  acmeAccount(role: string, options: AcmeOptions): AcmeAccount
  readonly listen: Listener
}

/** All resources of a host in the order in which they are to be made: each role's record of what it owns, then the role's own. */
export const resourcesOf = (host: string, facts: Facts, surroundings: Surroundings): readonly Placed[] => {
  const mine = surroundings.bindings.bound.filter((bound) => bound.host === host)
  return unite(
    host,
    mine.flatMap((bound) => {
      const resources = declared(bound, contextOf(bound, facts, surroundings))
      return [ownedBy(bound.role.name, resources), ...resources].map((resource) => ({ play: bound.play, role: bound.role.name, resource }))
    }),
  )
}

const contextOf = (
  { context, host, role }: Bound,
  facts: Facts,
  { root, bindings, acmeAccount, listen }: Surroundings,
): HostContext<unknown> => ({
  ...context,
  facts,
  flows: bindings.flows,
  files: (directory) => projectFiles(root, directory),
  acmeAccount: (options) => acmeAccount(role.name, options),
  warn: (what) => listen({ type: 'warning', host, role: role.name, what }),
})

const declared = ({ role, host }: Bound, context: HostContext<unknown>): readonly Resource[] => {
  try {
    return role.resources(context)
  } catch (error) {
    if (!(error instanceof ZodError)) throw error
    const [issue] = error.issues
    throw new Problem(
      {
        class: 'input',
        where: { host, role: role.name },
        what: `declares a resource that is not right: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
        fix: 'correct the role, or the option that it puts there',
      },
      { cause: error },
    )
  }
}

import { z } from 'zod'
import { type Change, isResource, keyOf, type Resource, type Trigger, type Triggers } from '../kind/kind.ts'

const NAME = /^(\/|[a-z][a-z0-9-]*:)[^\p{Cc}]+$/u

/** Schema of an option that names earlier resources of the host. Its output are keys and paths. */
export const resourceNames = z
  .array(
    z.union(
      [
        z.custom<Resource>(isResource).transform(keyOf),
        z
          .string()
          .regex(NAME)
          .transform((name) => (name.startsWith('/') ? name.replace(/\/+$/, '') : name)),
      ],
      { error: 'must be a resource, its key such as file:/etc/app.conf, or a path' },
    ),
  )
  .min(1, 'must name at least one resource')
  .transform((names): readonly string[] => [...new Set(names)])

interface WithTriggers {
  readonly when?: readonly string[] | undefined
  readonly triggers?: readonly Trigger[]
}

/** How the specs of a kind with the options `when` and `triggers` name earlier resources. */
export const triggers = <Spec extends WithTriggers, State>(): Triggers<Spec, State> => ({
  names: ({ when = [] }) => when,
  resolve: (spec, found) => ({ ...spec, triggers: found }),
  keys: ({ triggers: found = [] }) => found.map(({ key }) => key),
})

/** Why a resource is due, and the resource that causes it. `isOpen`: that one does not change in this run. */
export interface Cause {
  readonly key: string
  readonly reason: string
  readonly isOpen: boolean
}

/** Returns the members of a change that follow from its reasons and its causes. Undefined without a reason. */
export const dueBecause = (
  [first, ...more]: readonly string[],
  causes: readonly Cause[],
): Pick<Change, 'reason' | 'causes' | 'unfinished'> | undefined =>
  first === undefined
    ? undefined
    : {
        reason: more.length === 0 ? first : `${first}, and ${more.length} more`,
        ...(causes.length > 0 && { causes: causes.map(({ key }) => key) }),
        ...(causes.some(({ isOpen }) => isOpen) && { unfinished: true }),
      }

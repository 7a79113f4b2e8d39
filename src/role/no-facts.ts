import type { Facts, SiteContext } from './role.ts'

/** Thrown by a role that reads a fact before its host was contacted. */
export const NO_FACTS = new Error('facts are not known before the host was contacted')

/** Returns the facts of a host that was not contacted: reading one calls `onRead` and throws `NO_FACTS`. */
export const noFacts = (onRead: () => void): Facts => {
  const refuse = (): never => {
    onRead()
    throw NO_FACTS
  }
  return new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse }) as Facts
}

/** Returns the context of a host that was not contacted. */
export const withoutFacts = <Options>(context: SiteContext<Options>): SiteContext<Options> & { readonly facts: Facts } => ({
  ...context,
  facts: noFacts(() => {}),
})

/** Whether a role failed only because it read a fact. */
export const readsFact = (error: unknown): boolean => error === NO_FACTS || (error instanceof Error && error.cause === NO_FACTS)

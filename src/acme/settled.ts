import { setTimeout as sleep } from 'node:timers/promises'

/** Asks again, ever more slowly, until the answer is something else than these states. */
export const settled = async <T extends { readonly status: string } | undefined>(
  ask: () => Promise<T>,
  unsettled: readonly string[],
  signal: AbortSignal,
): Promise<T> => {
  for (let wait = 100; ; wait = Math.min(wait * 2, 3000)) {
    const seen = await ask()
    if (seen === undefined || !unsettled.includes(seen.status)) return seen
    await sleep(wait, undefined, { signal })
  }
}

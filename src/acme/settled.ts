import { setTimeout as sleep } from 'node:timers/promises'

/** Polls at growing intervals, up to 3 s, until the status is none of `unsettled`. Returns the last answer. */
export const settled = async <T extends { readonly status: string } | undefined>(
  ask: () => Promise<T>,
  unsettled: readonly string[],
  signal: AbortSignal,
): Promise<T> => {
  for (let wait = 100; ; wait = Math.min(wait * 2, 3000)) {
    const answer = await ask()
    if (answer === undefined || !unsettled.includes(answer.status)) return answer
    await sleep(wait, undefined, { signal })
  }
}

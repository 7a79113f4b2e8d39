/** Runs work when there is room for it. `isOverloaded` judges its result, or its error as `{ error }`. */
export type Limit = <T extends object>(work: () => Promise<T>, isOverloaded: (outcome: object) => boolean) => Promise<T>

/**
 * Runs at most `most` pieces of work at a time; the others wait in order. After an overload only half as many run at a time, and one more
 * after every success.
 */
export const adaptiveSemaphore = (most: number): Limit => {
  let width = most
  let running = 0
  const waiting: (() => void)[] = []
  const admit = (): void => {
    for (; running < width && waiting.length > 0; running += 1) waiting.shift()?.()
  }
  return async (work, isOverloaded) => {
    await new Promise<void>((enter) => {
      waiting.push(enter)
      admit()
    })
    try {
      const result = await work()
      width = isOverloaded(result) ? Math.max(1, Math.floor(width / 2)) : Math.min(most, width + 1)
      return result
    } catch (error) {
      if (isOverloaded({ error })) width = Math.max(1, Math.floor(width / 2))
      throw error
    } finally {
      running -= 1
      admit()
    }
  }
}

/** Runs at most `width` pieces of work at a time; the others wait in order. */
export const semaphore = (width: number): (<T>(work: () => Promise<T>) => Promise<T>) => {
  let free = width
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((enter) => waiting.push(enter))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else free += 1
    }
  }
}

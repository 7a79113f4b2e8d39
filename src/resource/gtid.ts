/** How far the data of a server goes: of each domain the last transaction, as MariaDB writes it (`0-1-490,1-2-14`). */
export type Position = ReadonlyMap<string, bigint>

/** Reads one; what is no position of MariaDB's is an error, for nothing may be decided by it. */
export const readPosition = (text: string): Position =>
  new Map(
    text
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '')
      .map((one) => {
        const [, domain, sequence] = /^(\d+)-\d+-(\d+)$/.exec(one) ?? []
        if (domain === undefined || sequence === undefined) throw new Error(`${JSON.stringify(text)} is no position`)
        return [domain, BigInt(sequence)] as const
      }),
  )

/** Whether a server that stands at one position has everything up to the other, if both are of one history. */
export const covers = (has: string, wanted: string): boolean => {
  const own = readPosition(has)
  return [...readPosition(wanted)].every(([domain, sequence]) => (own.get(domain) ?? -1n) >= sequence)
}

import { HostRefusal } from '../kind/step.ts'

/** How far the data of a server goes: of each domain the last transaction, as MariaDB writes it (`0-1-490,1-2-14`). */
export type Position = ReadonlyMap<string, bigint>

/** Reads one. Throws `Refused` at what is no position of MariaDB's, for nothing may be decided by it. */
export const readPosition = (text: string): Position =>
  new Map(
    text
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '')
      .map((one) => {
        const [, domain, sequence] = /^(\d+)-\d+-(\d+)$/.exec(one) ?? []
        if (domain === undefined || sequence === undefined) throw invalidPosition(text)
        return [domain, BigInt(sequence)] as const
      }),
  )

const invalidPosition = (text: string): HostRefusal =>
  new HostRefusal(
    'a server does not say how far its data go',
    `${JSON.stringify(text.slice(0, 80))} is no position`,
    'see SELECT @@gtid_current_pos and SHOW SLAVE STATUS there',
  )

/** Whether a server that stands at one position has everything up to the other, if both are of one history. */
export const covers = (has: string, wanted: string): boolean => {
  const own = readPosition(has)
  return [...readPosition(wanted)].every(([domain, sequence]) => (own.get(domain) ?? -1n) >= sequence)
}

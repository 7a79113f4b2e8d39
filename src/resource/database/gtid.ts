import { HostRefusal } from '../kind/step.ts'

/** The replication position of a server: the last transaction of each domain (`0-1-490,1-2-14`). */
export type Position = ReadonlyMap<string, bigint>

/** Parses a position. Throws `HostRefusal` if it is not a MariaDB position. */
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
    'replication position of a server is not readable',
    `${JSON.stringify(text.slice(0, 80))} is not a MariaDB position`,
    `run there: sudo mariadb -E -e 'SELECT @@gtid_current_pos; SHOW SLAVE STATUS'`,
  )

/** Whether a server at position `has` has every transaction up to `wanted`. Both must belong to the same history. */
export const covers = (has: string, wanted: string): boolean => {
  const own = readPosition(has)
  return [...readPosition(wanted)].every(([domain, sequence]) => (own.get(domain) ?? -1n) >= sequence)
}

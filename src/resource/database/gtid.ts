import { HostRefusal } from '../kind/step.ts'

/** The replication position of MariaDB: the last transaction of each domain (`0-1-490,1-2-14`). */
export type Position = ReadonlyMap<string, bigint>

/** A GTID set of MySQL: for each source, with its tag, the intervals of its transactions. */
type GtidSet = ReadonlyMap<string, readonly (readonly [from: bigint, to: bigint])[]>

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const INTERVAL = /^([1-9]\d{0,18})(?:-([1-9]\d{0,18}))?$/
const TAG = /^[a-z_][a-z0-9_]{0,31}$/i

/** Whether a text is a GTID set of MySQL rather than a position of MariaDB. Both are empty before the first transaction. */
const isGtidSet = (text: string): boolean => text.includes(':')

/** Parses a GTID set (`UUID:1-5:7,UUID:tag:1`). Throws `HostRefusal` if it is not one. */
const readGtidSet = (text: string): GtidSet => {
  const found = new Map<string, (readonly [bigint, bigint])[]>()
  for (const source of text.split(',').map((one) => one.trim())) {
    const [uuid = '', ...parts] = source.split(':')
    if (!UUID.test(uuid) || parts.length === 0) throw invalidPosition(text)
    let key = uuid.toLowerCase()
    for (const part of parts) {
      const [, from, to = from] = INTERVAL.exec(part) ?? []
      if (from !== undefined && to !== undefined) {
        const intervals = found.get(key) ?? []
        intervals.push([BigInt(from), BigInt(to)])
        found.set(key, intervals)
      } else if (TAG.test(part)) key = `${uuid.toLowerCase()}:${part.toLowerCase()}`
      else throw invalidPosition(text)
    }
  }
  return found
}

/** Parses a position of MariaDB. Throws `HostRefusal` if it is not one. */
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

/** Throws `HostRefusal` if a text is a position of neither flavour. */
export const checkPosition = (text: string): void => {
  if (isGtidSet(text)) readGtidSet(text)
  else readPosition(text)
}

const invalidPosition = (text: string): HostRefusal =>
  new HostRefusal(
    'replication position of a server is not readable',
    `${JSON.stringify(text.slice(0, 80))} is not a ${isGtidSet(text) ? 'GTID set of MySQL' : 'MariaDB position'}`,
    isGtidSet(text)
      ? "run there: sudo mysql -E -e 'SELECT @@gtid_executed; SHOW REPLICA STATUS'"
      : "run there: sudo mariadb -E -e 'SELECT @@gtid_current_pos; SHOW SLAVE STATUS'",
  )

/** Whether a server at position `has` has every transaction up to `wanted`. For MariaDB, both must belong to the same history. */
export const covers = (has: string, wanted: string): boolean => {
  if (isGtidSet(wanted) || isGtidSet(has))
    return coversSet(has === '' ? new Map() : readGtidSet(has), wanted === '' ? new Map() : readGtidSet(wanted))
  const own = readPosition(has)
  return [...readPosition(wanted)].every(([domain, sequence]) => (own.get(domain) ?? -1n) >= sequence)
}

/** The server prints merged intervals, so one of `has` contains each of `wanted`. */
const coversSet = (has: GtidSet, wanted: GtidSet): boolean =>
  [...wanted].every(([source, intervals]) =>
    intervals.every(([from, to]) => (has.get(source) ?? []).some(([first, last]) => first <= from && to <= last)),
  )

/** Possible numbers of minutes between two slots, best first. */
const WIDTHS = [60, 30, 20, 15, 10, 5, 2, 1]

/**
 * Returns the time of day at which a host of a site may reboot, `HH:MM`. Each host has its own slot in the minutes after `time`, so that two
 * servers of a cluster are never down at once. A host keeps its slot unless another host takes it. If there are more hosts than minutes,
 * hosts share slots.
 */
export const rebootTime = (time: string, spread: number, host: string, hosts: readonly string[]): string => {
  const width = WIDTHS.find((one) => Math.floor(spread / one) >= hosts.length) ?? 1
  const slots = Math.max(1, Math.floor(spread / width))
  const taken = new Map<number, number>()
  let slot = 0
  for (const name of [...new Set([...hosts, host])].toSorted()) {
    slot = freeSlot(hash(name) % slots, slots, taken)
    taken.set(slot, (taken.get(slot) ?? 0) + 1)
    if (name === host) break
  }
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  const at = (hours * 60 + minutes + slot * width) % 1440
  return `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`
}

/** Returns the first of the least used slots, starting at the preferred one. */
const freeSlot = (preferred: number, slots: number, taken: ReadonlyMap<number, number>): number => {
  const order = Array.from({ length: slots }, (_, i) => (preferred + i) % slots)
  const least = Math.min(...order.map((slot) => taken.get(slot) ?? 0))
  return order.find((slot) => (taken.get(slot) ?? 0) === least) ?? 0
}

/** FNV-1a with 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
const hash = (text: string): number => Buffer.from(text).reduce((sum, byte) => Math.imul(sum ^ byte, 16_777_619) >>> 0, 2_166_136_261)

import { BETWEEN } from './cuts.ts'
import { pointsOf } from './points.ts'
import type { Point, Undisturbed } from './trials.ts'

/** Number of points: after requests, at calls within requests, and calls at which a host loses power. */
export interface Counts {
  readonly between: number | 'all'
  readonly within: number | 'all'
  readonly plugs: number | 'all'
  /** Host that loses power. */
  readonly unplugged: string
}

/** Points to test in both directions, and a description of the total they were drawn from. */
export const drawn = (
  ways: ReadonlyMap<string, Undisturbed>,
  { between, within, plugs, unplugged }: Counts,
  random: () => number,
): { readonly points: readonly Point[]; readonly of: string } => {
  const all = [...ways.values()]
  const requests = Math.max(...all.map((way) => way.requests))
  const cuts = BETWEEN.map((way) => Array.from({ length: requests }, (_, at): Point => ({ way, at: at + 1 })))
  // One direction calls more than the other; what only the shorter one had is at a number that the longer one has as well.
  const calls = [...new Set(all.flatMap((way) => [...way.calls.keys()]))].flatMap((host) => {
    const [some = [], others = []] = all.map((way) => pointsOf(way.calls.get(host) ?? [], 'shell', host))
    return some.length > others.length ? some : others
  })
  const powers = calls.flatMap((point): Point[] => (point.host === unplugged ? [{ ...point, way: 'power' }] : []))
  const some = (points: readonly Point[], count: number | 'all'): readonly Point[] =>
    count === 'all' ? points : sample(points, count, random)
  return {
    points: [
      ...cuts.flatMap((points) => some(points, between === 'all' ? between : Math.ceil(between / BETWEEN.length))),
      ...some(calls, within),
      ...some(powers, plugs),
    ],
    of: `${requests} requests in ${BETWEEN.length} ways, ${calls.length} calls within them`,
  }
}

/** Repeatable pseudo-random numbers from 0 to 1 (mulberry32). */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Draws `count` of the elements, each at most once. */
export const sample = <T>(all: readonly T[], count: number, random: () => number): readonly T[] => {
  const rest = [...all]
  return Array.from({ length: Math.min(count, all.length) }, () => rest.splice(Math.floor(random() * rest.length), 1)).flat()
}

// Cuts runs of `provision` everywhere, and says what became of it: `npm run test:faults [-- --seed N] [--within N|all] [--database N|all] [--only between|within|database|site] [--part 1/4]`.
import { parseArgs } from 'node:util'
import { labDown } from '../../src/lab/index.ts'
import { clusterHosts, DATABASE, replicaHosts } from './bench-database.ts'
import { MORE, oneHost } from './bench-one.ts'
import { threeHosts } from './bench-site.ts'
import { BETWEEN } from './cuts.ts'
import { pointsOf, randomOf, sample, unsynced } from './points.ts'
import { isWell, rowsOf, type Tried, tableOf } from './tally.ts'
import { type Point, Trials } from './trials.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000) % 100_000) },
    /** How many of the calls within requests are tried, or `all`. */
    within: { type: 'string', default: '40' },
    /** How many of the points between requests of the databases are tried, or `all` of them, there and back. */
    database: { type: 'string', default: process.env.FAULTS_DATABASE ?? '21' },
    /** How many points of the whole site are tried. */
    site: { type: 'string', default: '12' },
    /** One part of it: `between` requests, `within` them, the `database` site, the whole `site`. */
    only: { type: 'string' },
    /** A share of it, so that several machines can have one each: `1/4` is every fourth point. */
    part: { type: 'string', default: '1/1' },
    subnet: { type: 'string', default: '10.79.95' },
  },
})
const random = randomOf(Number(values.seed))
const say = (line: string): unknown => process.stdout.write(`${line}\n`)
const { subnet } = values
const [part = 1, parts = 1] = values.part.split('/').map(Number)
const mine = <T>(all: readonly T[]): readonly T[] => all.filter((_, i) => i % parts === part - 1)
say(`seed ${values.seed}`)

const tried: Tried[] = []
const bad: string[] = []
const started = Date.now()
// Whoever has seen enough gets the table of what was tried, and the lab goes.
let isEnough = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    isEnough = true
  })

const tryAll = async (trials: Trials, points: readonly Point[]): Promise<void> => {
  for (const point of points) {
    if (isEnough) return
    const one = await trials.try(point)
    tried.push(one)
    say(
      `${((Date.now() - started) / 1000).toFixed(0).padStart(6)} s  ${isWell(one) ? 'recovered' : 'NOT RECOVERED'}  ${one.where ?? `${point.way} at ${point.at}: the run was over`}`,
    )
    if (isWell(one)) continue
    const why = [one.failed ?? '', ...one.differs].filter((line) => line !== '').join('\n    ')
    bad.push(`${one.site}: ${one.where}\n    ${why}`)
    say(`    ${why}`)
  }
}

/** Every point twice where both directions are to be had, for a step of one is not a step of the other. */
const everything = async (): Promise<void> => {
  const bench = await oneHost(`t-faults-${subnet.split('.').at(-1)}`, subnet)
  try {
    const trials = new Trials(bench, 'everything', MORE)
    await trials.settle()
    const [toA = 0, toB = 0] = [...trials.ways.values()].map(({ requests }) => requests)
    const calls = [...trials.ways.values()].map((way) => way.calls.get('host-01') ?? [])
    for (const path of unsynced(calls.flat())) bad.push(`not brought to the disk before it is renamed: ${path}`)
    const [inA = [], inB = []] = calls.map((some) => pointsOf(some, 'shell', 'host-01'))
    say(`everything: ${toA} and ${toB} requests, ${inA.length} and ${inB.length} points within them, there and back`)
    say(`${calls.flat().filter(({ call }) => call === 'rename').length} renames, each looked at for its fsync`)
    // The direction changes with every cut; an odd number of ways brings every point into both.
    const requests = Array.from({ length: Math.max(toA, toB) }, (_, at) => at + 1)
    const between = BETWEEN.flatMap((way) => requests.map((at): Point => ({ way, at })))
    if (values.only !== 'within') for (const point of mine(between)) await tryAll(trials, [point, point])
    if (values.only === 'between') return
    const within = Math.max(inA.length, inB.length) === inA.length ? inA : inB
    const chosen = values.within === 'all' ? within : sample(within, Number(values.within), random)
    for (const point of mine(chosen)) await tryAll(trials, [point, point])
    await tryAll(
      trials,
      sample(
        within.map((point) => ({ ...point, way: 'power' as const })),
        Math.min(Math.ceil(12 / parts), chosen.length),
        random,
      ),
    )
  } finally {
    await labDown(bench.spec)
    bench.project.remove()
  }
}

/** Of the points that are tried, three quarters are on a primary and its replica, where more can go wrong, and one on a cluster, which takes longer. */
const databases = async (): Promise<void> => {
  const name = `t-faults-db-${subnet.split('.').at(-1)}`
  for (const [title, make, share] of [
    ['replica', replicaHosts, 3 / 4],
    ['cluster', clusterHosts, 1 / 4],
  ] as const) {
    if (isEnough) return
    const bench = await make(name, subnet)
    try {
      const trials = new Trials(bench, title, DATABASE, bench.serving)
      await trials.settle()
      const requests = Math.max(...[...trials.ways.values()].map((way) => way.requests))
      const isAll = values.database === 'all'
      const many = Math.max(1, Math.round((Number(values.database) * share) / BETWEEN.length))
      const chosen = BETWEEN.flatMap((way) => {
        const points = Array.from({ length: requests }, (_, at): Point => ({ way, at: at + 1 }))
        return isAll ? points.flatMap((point) => [point, point]) : sample(points, many, random)
      })
      say(`${title}: ${requests} requests, there and back: ${2 * BETWEEN.length * requests} points; ${chosen.length} of them tried`)
      await tryAll(trials, isAll ? chosen.filter((_, i) => Math.floor(i / 2) % parts === part - 1) : mine(chosen))
    } finally {
      await labDown(bench.spec)
      bench.project.remove()
    }
  }
}

const site = async (): Promise<void> => {
  const bench = await threeHosts(`t-faults-site-${subnet.split('.').at(-1)}`, subnet)
  try {
    const trials = new Trials(bench, 'site', '', bench.serving)
    await trials.settle()
    const ways = [...trials.ways.values()]
    const requests = Math.min(...ways.map((way) => way.requests))
    const between = BETWEEN.flatMap((way) => Array.from({ length: requests }, (_, at): Point => ({ way, at: at + 1 })))
    const within = ways.flatMap(({ calls }) => [...calls].flatMap(([host, some]) => pointsOf(some, 'shell', host)))
    for (const [host, some] of ways.flatMap(({ calls }) => [...calls]))
      for (const path of unsynced(some)) bad.push(`${host}: not brought to the disk before it is renamed: ${path}`)
    const half = Math.ceil(Number(values.site) / 2)
    say(`site: ${requests} requests, ${within.length} points within them; ${2 * half} of them tried`)
    await tryAll(trials, mine([...sample(between, half, random), ...sample(within, half, random)]))
  } finally {
    await labDown(bench.spec)
    bench.project.remove()
  }
}

if (values.only === undefined || ['between', 'within'].includes(values.only)) await everything()
if (values.only === undefined || values.only === 'database') await databases()
if (values.only === undefined || values.only === 'site') await site()
say(`\n${tableOf(rowsOf(tried))}`)
for (const one of bad) say(`\n${one}`)
say(
  `\nseed ${values.seed}, ${Math.round((Date.now() - started) / 60_000)} minutes: ${bad.length === 0 ? 'every cut was recovered' : `${bad.length} defects`}`,
)
process.exitCode = bad.length === 0 ? 0 : 1

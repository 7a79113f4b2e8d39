// Interrupts runs of `provision` at many points, and prints a table of the results. `npm run test:faults -- [--playbook everything|checkout|postgresql|replica|cluster|site]`
// `[--between N|all] [--within N|all] [--plugs N|all] [--seed N] [--part 1/4] [--subnet 10.79.95]`.
import { parseArgs } from 'node:util'
import { labDown } from '../../src/lab/index.ts'
import type { Bench } from './bench.ts'
import { clusterHosts, DATABASE, replicaHosts } from './bench-database.ts'
import { CHECKED_OUT, checkoutHost } from './bench-git.ts'
import { MORE, oneHost } from './bench-one.ts'
import { CONTENTS, postgresqlHost } from './bench-postgresql.ts'
import { threeHosts } from './bench-site.ts'
import { type Counts, drawn, randomOf } from './draw.ts'
import { unsynced } from './points.ts'
import { isWell, rowsOf, type Tried, tableOf } from './tally.ts'
import { type Serving, Trials } from './trials.ts'

/** A bench, its additional queries, and the number of points of each kind. */
interface Course extends Counts {
  readonly make: (lab: string, subnet: string) => Promise<Bench & { readonly serving?: Serving }>
  readonly more: string
}

// The writing application runs on host-01, so the other host loses power: it is primary and replica in turn.
const COURSES: Readonly<Record<string, Course>> = {
  everything: { make: oneHost, more: MORE, between: 'all', within: 40, plugs: 6, unplugged: 'host-01' },
  checkout: { make: checkoutHost, more: CHECKED_OUT, between: 'all', within: 12, plugs: 2, unplugged: 'host-01' },
  postgresql: { make: postgresqlHost, more: CONTENTS, between: 'all', within: 12, plugs: 2, unplugged: 'host-01' },
  replica: { make: replicaHosts, more: DATABASE, between: 6, within: 3, plugs: 1, unplugged: 'host-02' },
  cluster: { make: clusterHosts, more: DATABASE, between: 3, within: 1, plugs: 1, unplugged: 'host-02' },
  site: { make: threeHosts, more: DATABASE, between: 3, within: 3, plugs: 0, unplugged: 'web-01' },
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000) % 100_000) },
    /** The only bench to test; undefined: all of them. */
    playbook: { type: 'string' },
    /** Numbers of points to test: after requests, at calls within them, and at power cuts. */
    between: { type: 'string' },
    within: { type: 'string' },
    plugs: { type: 'string' },
    /** Share of the points for one of several labs or machines: `1/4` is every fourth point. */
    part: { type: 'string', default: '1/1' },
    subnet: { type: 'string', default: '10.79.95' },
  },
})
const random = randomOf(Number(values.seed))
const [part = 1, parts = 1] = values.part.split('/').map(Number)
const started = Date.now()
const tried: Tried[] = []
const bad: string[] = []
const say = (line: string): unknown => process.stdout.write(`${line}\n`)

// An interrupted test prints the table so far, and removes the lab.
let isEnough = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    isEnough = true
  })

const walk = async (title: string, { make, more, ...usual }: Course): Promise<void> => {
  const counts = asked(usual)
  const bench = await make(`t-faults-${title}-${values.subnet.split('.').at(-1)}`, values.subnet)
  try {
    const trials = new Trials(bench, title, more, bench.serving)
    await trials.settle()
    for (const [host, calls] of [...trials.ways.values()].flatMap((way) => [...way.calls]))
      for (const path of unsynced(calls)) bad.push(`${host}: not flushed to disk before its rename: ${path}`)
    const { points, of } = drawn(trials.ways, counts, random)
    say(`${title}: ${of}; ${points.length} of them are tried, there and back`)
    // The direction changes with every trial, and the two directions have different steps.
    for (const point of points.filter((_, i) => i % parts === part - 1))
      for (const one of [point, point]) if (!isEnough) note(await trials.try(one), `${one.way} at ${one.at}`)
  } finally {
    await labDown(bench.spec)
    bench.project.remove()
  }
}

/** Numbers of points from the command line. */
const asked = ({ unplugged, ...counts }: Counts): Counts => {
  const numberOf = (kind: keyof typeof counts): number | 'all' => {
    const said = values[kind]
    if (said === undefined || said === 'all') return said ?? counts[kind]
    if (!/^\d+$/.test(said)) throw new Error(`--${kind} is a number or \`all\`, not ${said}`)
    return Number(said)
  }
  return { unplugged, between: numberOf('between'), within: numberOf('within'), plugs: numberOf('plugs') }
}

const note = (one: Tried, point: string): void => {
  tried.push(one)
  const after = ((Date.now() - started) / 1000).toFixed(0).padStart(6)
  say(`${after} s  ${isWell(one) ? 'recovered' : 'NOT RECOVERED'}  ${one.where ?? `${point}: the run was over`}`)
  if (isWell(one)) return
  const why = [one.failed ?? '', ...one.differs].filter((line) => line !== '').join('\n    ')
  bad.push(`${one.site}: ${one.where}\n    ${why}`)
  say(`    ${why}`)
}

const courses = Object.entries(COURSES).filter(([title]) => values.playbook === undefined || values.playbook === title)
if (courses.length === 0) throw new Error(`there is no playbook ${values.playbook}, but ${Object.keys(COURSES).join(', ')}`)
say(`seed ${values.seed}`)
for (const [title, course] of courses) if (!isEnough) await walk(title, course)
const rows = rowsOf(tried)
say(`\n${tableOf(rows)}`)
for (const { site, way, cuts } of rows) if (cuts === 0) bad.push(`${site}: ${way}: no run was cut, all were over before`)
if (rows.length === 0) bad.push('nothing was tried')
for (const one of bad) say(`\n${one}`)
say(
  `\nseed ${values.seed}, ${Math.round((Date.now() - started) / 60_000)} minutes: ${bad.length === 0 ? 'every cut was recovered' : `${bad.length} defects`}`,
)
process.exitCode = bad.length === 0 ? 0 : 1

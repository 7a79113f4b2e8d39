// `npm run test:mutants -- DIRECTORY... [--sample N] [--seed N]`: mutates the source of directories (`src/engine`, `roles/nginx`), one small
// place at a time, and runs the unit tests that call the mutated function. Prints the share of mutants that a test detected, and the others
// one by one.
import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Mutant, mutantsOf } from './mutations.ts'
import { type Place, placeAt, placesOf } from './reach.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
/** A mutant that makes tests run for longer than this is noticed. */
const LIMIT_MS = 120_000
/** Test files farther from the mutant run for this long at most. */
const BUDGET_MS = 30_000

const { positionals: rooms, values } = parseArgs({
  allowPositionals: true,
  options: { sample: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
})
if (rooms.length === 0) throw new Error('name the directories to mutate: npm run test:mutants -- src/engine roles/nginx')

interface TestFile {
  readonly test: string
  readonly milliseconds: number
  readonly places: readonly string[]
}

/** Runs vitest, and returns its exit status; a run without end counts as failed. */
const vitest = (
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number; readonly output: string }> =>
  new Promise((resolve) => {
    const child = spawn('vitest', [...words, '--run', '--config', config], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
    const end = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), env.MUTANTS_MUTANT ? LIMIT_MS : 3_600_000)
    child.on('close', (code) => {
      clearTimeout(end)
      resolve({ code: code ?? 1, output })
    })
  })

const sourceOf = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Runs the unit tests that import these files, and returns which of their functions each test file calls. */
const reachOf = async (files: readonly string[]): Promise<readonly TestFile[]> => {
  const scratch = mkdtempSync(join(tmpdir(), 'provision-mutants-'))
  try {
    const { code, output } = await vitest(['related', ...files], { MUTANTS_FILES: JSON.stringify(files), MUTANTS_REACH: scratch })
    if (code !== 0) throw new Error(`the unit tests fail without a mutant:\n${output.slice(-4000)}`)
    return readdirSync(scratch).map((name) => JSON.parse(readFileSync(join(scratch, name), 'utf8')) as TestFile)
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** The same numbers for the same seed (mulberry32). */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  const mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  const more = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((more ^ (more >>> 14)) >>> 0) / 4_294_967_296
}

const sampleOf = (mutants: readonly Mutant[], next: () => number): readonly Mutant[] =>
  mutants
    .map((mutant) => ({ mutant, order: next() }))
    .sort((a, b) => a.order - b.order)
    .slice(0, Number(values.sample))
    .map(({ mutant }) => mutant)

/** Tests of the same folder or name come first, then the quick ones. */
const rank = ({ test, milliseconds }: TestFile, { file }: Mutant): number => {
  const parts = file.replace(/\.ts$/, '').split('/').slice(1)
  return milliseconds - 1_000_000 * parts.filter((part) => test.includes(`/${part}/`) || test.includes(`/${part}.test`)).length
}

/** The first test files that take this long together. */
const within = (budget: number, files: readonly TestFile[]): readonly TestFile[] => {
  let sum = 0
  return files.filter(({ milliseconds }) => {
    sum += milliseconds
    return sum <= budget
  })
}

/** `killed` if a test fails with this mutant. */
const judge = async (
  mutant: Mutant,
  places: readonly Place[],
  tests: readonly TestFile[],
): Promise<'killed' | 'survived' | 'not reached'> => {
  const id = placeAt(places, mutant.start)?.id ?? ''
  const reaching = tests.filter((test) => test.places.includes(id)).sort((a, b) => rank(a, mutant) - rank(b, mutant))
  if (reaching.length === 0) return 'not reached'
  // The nearest tests notice most mutants.
  for (const part of [reaching.slice(0, 3), within(BUDGET_MS, reaching.slice(3))]) {
    if (part.length === 0) continue
    const paths = part.map(({ test }) => test)
    const { code } = await vitest(['run', ...paths], { MUTANTS_MUTANT: JSON.stringify(mutant) })
    if (code !== 0) return 'killed'
  }
  return 'survived'
}

const filesOf = (room: string): readonly string[] =>
  globSync(room.endsWith('.ts') ? room : `${room.replace(/\/$/, '')}/**/*.ts`, { cwd: root }).filter((file) => !file.endsWith('.d.ts'))

const tests = await reachOf(rooms.flatMap(filesOf))
for (const room of rooms) {
  const files = filesOf(room)
  const placesIn = new Map(files.map((file) => [file, placesOf(file, sourceOf(file))]))
  const all = files.flatMap((file) => mutantsOf(file, sourceOf(file)))
  const queue = [...sampleOf(all, random(Number(values.seed)))]
  const total = queue.length
  const survivors: string[] = []
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const verdict = await judge(mutant, placesIn.get(mutant.file) ?? [], tests)
      if (verdict === 'killed') continue
      survivors.push(mutant.file)
      process.stdout.write(`${mutant.file}:${mutant.line}  ${verdict}\n    ${mutant.summary}\n`)
    }
  }
  // Most of the time of the tests is spent waiting for programs.
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, work))
  const killed = total - survivors.length
  process.stdout.write(
    `${room}: ${killed} of ${total} mutants killed, ${Math.floor((100 * killed) / Math.max(1, total))} % (${all.length} possible)\n`,
  )
}

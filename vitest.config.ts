import { totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const e2e = (names: readonly string[]): string[] => names.map((name) => `test/e2e/${name}.test.ts`)
// They measure how long something takes, and mostly wait: all at once, after the others.
const timed = e2e(['host-*', 'lab', 'persistent-shell', 'two-controllers'])
// It builds the package that the others run.
const alone = e2e(['npm-package'])
// Much of their time is spent waiting for deadlines. The hosts of one file use up to 2 GiB.
const labs = Math.min(4, Math.max(2, Math.floor(totalmem() / 2 ** 31)))
const patience = { testTimeout: 300_000, hookTimeout: 600_000 }

// They take longest although their files are short: first, so that none runs on when all others have ended.
const LONG = [
  ...['cut-off', 'zero-downtime', 'monitoring', 'replication', 'services', 'whole-site', 'secret-leaks'].map((name) => `e2e/${name}`),
  ...['shell/every-script', 'resource/fetched/archive-others', 'hostile/kinds', 'resource/laws'].map((name) => `unit/${name}`),
]
const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((name) => moduleId.endsWith(`/${name}.test.ts`))

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

const source = (name: string): string => fileURLToPath(new URL(`./src/${name}.ts`, import.meta.url))
// The first that fits a specifier wins: 'provision' fits all.
const alias = { 'provision/kind': source('kind'), 'provision/testing': source('testing'), provision: source('index') }

export default defineConfig({
  test: {
    // The last thing to be read is the count.
    experimental: { diagnostics: false },
    sequence: { sequencer: LongFirst },
    projects: [
      { resolve: { alias }, test: { name: 'floors', include: ['test/floors.test.ts'] } },
      {
        resolve: { alias },
        test: {
          ...{ name: 'unit', include: ['test/unit/**/*.test.ts'] },
          // Most of their time is spent waiting for programs.
          ...{ maxWorkers: 4, testTimeout: 20_000, hookTimeout: 60_000 },
          // A worker loads packages once, and the modules of the project for each file: half the work of a process per file.
          ...{ isolate: false, setupFiles: ['test/unit/fresh-modules.ts'] },
        },
      },
      {
        resolve: { alias },
        test: {
          ...{ name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: [...timed, ...alone], ...patience },
          ...{ maxWorkers: labs, sequence: { groupOrder: 1 } },
        },
      },
      {
        resolve: { alias },
        test: { name: 'e2e-timed', include: timed, ...patience, maxWorkers: 3, sequence: { groupOrder: 2 } },
      },
      {
        resolve: { alias },
        test: { name: 'e2e-alone', include: alone, ...patience, sequence: { groupOrder: 3 } },
      },
      {
        resolve: { alias },
        test: { name: 'full', include: ['test/full/**/*.test.ts'], fileParallelism: false, testTimeout: 1_200_000, hookTimeout: 600_000 },
      },
    ],
  },
})

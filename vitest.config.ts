import { totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// They measure how long something takes, share a lab, or build the package that the others run: one at a time, with the machine to themselves.
const ALONE = ['host-*', 'lab', 'npm-package', 'persistent-shell', 'two-controllers']
const alone = ALONE.map((name) => `test/e2e/${name}.test.ts`)
// Much of their time is spent waiting for deadlines. The hosts of one file use up to 2 GiB.
const labs = Math.min(4, Math.max(2, Math.floor(totalmem() / 2 ** 31)))
const patience = { testTimeout: 300_000, hookTimeout: 600_000 }

// They take longest although their files are short: first, so that none runs on when all others have ended.
const LONG = [
  ...['cut-off', 'zero-downtime', 'hostile-kinds', 'secret-leaks', 'blocked-database', 'hostile-database'].map((name) => `e2e/${name}`),
  ...['unit-sandbox', 'virtual-address'].map((name) => `e2e/${name}`),
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
          ...{ name: 'e2e', include: ['test/e2e/**/*.test.ts'], exclude: alone, ...patience },
          ...{ maxWorkers: labs, sequence: { groupOrder: 1 } },
        },
      },
      {
        resolve: { alias },
        test: { name: 'e2e-alone', include: alone, ...patience, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
      {
        resolve: { alias },
        test: { name: 'full', include: ['test/full/**/*.test.ts'], fileParallelism: false, testTimeout: 1_200_000, hookTimeout: 600_000 },
      },
    ],
  },
})

import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'
import { instrument } from './reach.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const source = (name: string): string => `${root}src/${name}.ts`

/** The first round instruments the files of the directories; each later round replaces one part of one file. */
const rooms: readonly string[] = JSON.parse(process.env.MUTANTS_FILES ?? '[]')
const mutant: { file: string; start: number; end: number; replacement: string } | null = JSON.parse(process.env.MUTANTS_MUTANT ?? 'null')

/** Path in the project, if this round changes the file. */
const changed = (id: string): string | undefined => {
  const file = id.startsWith(root) ? id.slice(root.length) : id
  return file === mutant?.file || rooms.includes(file) ? file : undefined
}

const plugin: Plugin = {
  name: 'mutants',
  enforce: 'pre',
  // Vitest keeps transformed modules for later processes.
  configureVitest: ({ defineCacheKeyGenerator }) => {
    defineCacheKeyGenerator(({ id }) => (changed(id) === undefined ? undefined : `${process.env.MUTANTS_MUTANT ?? 'instrumented'}`))
  },
  transform: (code, id) => {
    const file = changed(id)
    if (file === undefined) return undefined
    return mutant === null ? instrument(file, code) : `${code.slice(0, mutant.start)}${mutant.replacement}${code.slice(mutant.end)}`
  },
}

export default defineConfig({
  root,
  plugins: [plugin],
  resolve: { alias: { 'provision/kind': source('kind'), 'provision/testing': source('testing'), provision: source('index') } },
  test: {
    include: ['test/unit/**/*.test.ts'],
    reporters: ['dot'],
    ...(mutant === null
      ? { setupFiles: [`${root}scripts/mutants/reach-setup.ts`], testTimeout: 60_000, maxWorkers: 4 }
      : { bail: 1, testTimeout: 20_000, maxWorkers: 1 }),
  },
})

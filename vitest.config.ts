import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const alias = { provision: fileURLToPath(new URL('./src/index.ts', import.meta.url)) }

export default defineConfig({
  test: {
    // The last thing to be read is the count.
    experimental: { diagnostics: false },
    projects: [
      { resolve: { alias }, test: { name: 'floors', include: ['test/floors.test.ts'] } },
      { resolve: { alias }, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        resolve: { alias },
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], fileParallelism: false, testTimeout: 300_000, hookTimeout: 600_000 },
      },
      {
        resolve: { alias },
        test: { name: 'full', include: ['test/full/**/*.test.ts'], fileParallelism: false, testTimeout: 1_200_000, hookTimeout: 600_000 },
      },
    ],
  },
})

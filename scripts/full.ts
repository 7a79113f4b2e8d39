// `npm run test:full`: the long tests. With `--release NAME`, these and all end-to-end tests, on hosts with that release.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({ options: { release: { type: 'string' } }, allowPositionals: true })
const { release } = values
const projects = release === undefined ? ['full'] : ['e2e*', 'full']
const { status } = spawnSync('vitest', ['run', ...projects.flatMap((name) => ['--project', name]), ...positionals], {
  stdio: 'inherit',
  env: { ...process.env, ...(release === undefined ? {} : { PROVISION_LAB_RELEASE: release }) },
})
process.exitCode = status ?? 1

// A stop-gap until `provision lab` exists: node scripts/lab.ts up|down|reset|status|ssh|ssh-config [HOST...] [--name NAME] [--inventory FILE] [-- COMMAND]
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { labDown, labReset, labSshConfig, labStatus, labUp } from '../src/lab/index.ts'
import { problemsIn } from '../src/problem.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', default: 'lab' }, inventory: { type: 'string', default: 'inventory/lab.yaml' } },
})
const [action, ...rest] = positionals
const inventory = parse(readFileSync(values.inventory, 'utf8'))
const spec = {
  name: values.name,
  root: process.cwd(),
  hosts: Object.entries<{ address: string; internal?: string[]; user?: string }>(inventory.hosts).map(([name, host]) => ({
    name,
    user: host.user ?? inventory.vars?.user ?? 'ops',
    addresses: [...new Set([host.address, ...(host.internal ?? [])])],
  })),
}
const say = (line: string) => process.stderr.write(`${line}\n`)

try {
  if (action === 'up') await labUp(spec, say)
  else if (action === 'down') await labDown(spec)
  else if (action === 'reset') await labReset(spec, rest.length > 0 ? rest : undefined, say)
  else if (action === 'status') process.stdout.write(`${JSON.stringify(await labStatus(spec), null, 2)}\n`)
  else if (action === 'ssh-config') process.stdout.write(labSshConfig(spec))
  else if (action === 'ssh') {
    const config = join(spec.root, '.provision/lab', spec.name, 'ssh_config')
    process.exitCode = spawnSync('ssh', ['-F', config, ...rest], { stdio: 'inherit' }).status ?? 255
  } else throw new Error('up|down|reset|status|ssh|ssh-config')
} catch (error) {
  const problems = problemsIn(error)
  if (!problems) throw error
  for (const { message, why, fix } of problems) say(`✖ ${message}\n  why  ${why ?? ''}\n  fix  ${fix}`)
  process.exitCode = 1
}

// `npm run bench`: compares a converged `provision run` of the lab's three hosts, over each transport, with three parallel `ssh host true`,
// interleaved.
// Measures whole processes, from start to exit. Needs the lab of `npm run demo`.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROUNDS = Number(process.argv[2] ?? 15)
const provision = fileURLToPath(new URL('../bin/provision.js', import.meta.url))

const ask = (...words: readonly string[]): string => {
  const { status, stdout } = spawnSync(provision, words, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status !== 0) throw new Error(`provision ${words.join(' ')} failed with exit status ${status}: start the lab with \`npm run demo\``)
  return stdout
}

/** Milliseconds until all of these commands have succeeded. Rejects if one fails. */
const time = async (...commands: readonly (readonly string[])[]): Promise<number> => {
  const started = performance.now()
  await Promise.all(
    commands.map(
      ([command = '', ...words]) =>
        new Promise<void>((resolve, reject) => {
          const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'inherit'] })
          child.on('error', reject)
          child.on('exit', (code) =>
            code === 0 ? resolve() : reject(new Error(`${command} ${words.join(' ')} failed with exit status ${code}`)),
          )
        }),
    ),
  )
  return performance.now() - started
}

const describe = (name: string, times: readonly number[]): number => {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  process.stdout.write(`${name.padEnd(34)} median ${at(0.5)} ms   (min ${at(0)}, max ${at(1)})\n`)
  return at(0.5)
}

const scratch = mkdtempSync(join(tmpdir(), 'provision-bench-'))
try {
  const config = join(scratch, 'ssh_config')
  writeFileSync(config, ask('lab', 'ssh-config'))
  const hosts = Object.keys((JSON.parse(ask('lab', 'status', '--json')) as { hosts: object }).hosts)
  const inventory = join(scratch, 'lab.yaml')
  writeFileSync(inventory, readFileSync('inventory/lab.yaml', 'utf8').replace(/^vars:\n/m, 'vars:\n  transport: openssh\n'))
  const run = [provision, 'run', '--output', 'plain']
  const ours: number[] = []
  const overOpenSsh: number[] = []
  const theirs: number[] = []
  for (let round = -1; round < ROUNDS; round += 1) {
    const bySsh2 = await time(run)
    const byOpenSsh = await time([...run, '-i', inventory])
    const ssh = await time(...hosts.map((host) => ['ssh', '-F', config, host, 'true']))
    // The first round fills the caches of both.
    if (round >= 0) {
      ours.push(bySsh2)
      overOpenSsh.push(byOpenSsh)
      theirs.push(ssh)
    }
  }
  const floor = describe(`${hosts.length} parallel ssh host true`, theirs)
  const ratio = describe('provision run, converged', ours) / floor
  const openSshRatio = describe('the same, over OpenSSH', overOpenSsh) / floor
  process.stdout.write(`ratio ${ratio.toFixed(2)}, over OpenSSH ${openSshRatio.toFixed(2)} (${ROUNDS} rounds, interleaved)\n`)
  if (ratio > 1.5) process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true })
}

// `npm run demo`: three disposable Debian hosts on this machine become an HTTPS site. Run again, it changes nothing.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const provision = fileURLToPath(new URL('../bin/provision.js', import.meta.url))

const run = (...words: readonly string[]): void => {
  process.stdout.write(`\n$ provision ${words.join(' ')}\n`)
  const { status } = spawnSync(process.execPath, [provision, ...words], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const ask = (...words: readonly string[]): string => {
  const { status, stdout } = spawnSync(process.execPath, [provision, ...words], { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status !== 0) process.exit(status ?? 1)
  return stdout
}

process.stdout.write(`This boots a lab of three Debian hosts on this machine (systemd-nspawn, on a private bridge) and provisions it.
It needs root. What it lacks it installs from Debian's packages: systemd-container, mmdebstrap, a caching proxy and a test CA.
To remove everything again: npx provision lab down
`)

run('lab', 'up')
run('run')

const lab = JSON.parse(ask('lab', 'status', '--json')) as {
  hosts: Record<string, { address: string }>
  authority: { caFile: string }
}
const balancer = lab.hosts['lb-01']?.address ?? ''
process.stdout.write(`
Built: https://www.example.test/ on lb-01 (${balancer}), balanced over ${Object.keys(lab.hosts).slice(1).join(' and ')}, a firewall on each.
Look at it (twice: the web servers take turns):

  curl -i --cacert ${lab.authority.caFile} --resolve www.example.test:443:${balancer} https://www.example.test/

Then try:

  npx provision run --dry-run        nothing would change; edit playbooks/site/index.html, and see
  npx provision verify               asks the services themselves
  npx provision inventory --flows    who may come to which port
  npx provision lab ssh web-01       look around
  npx provision lab down             remove it all
`)

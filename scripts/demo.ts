// `npm run demo`: provisions an HTTPS site on three disposable Debian hosts. A second run changes nothing.
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
It needs root. It installs missing Debian packages: systemd-container, mmdebstrap, a caching proxy and a test CA.
To remove the lab: npx provision lab down
`)

run('lab', 'up')
run('run', '--yes')

const lab = JSON.parse(ask('lab', 'status', '--json')) as {
  hosts: Record<string, { address: string }>
  authority: { caFile: string }
}
const balancer = lab.hosts['lb-01']?.address ?? ''
process.stdout.write(`
https://www.example.test/ is served by lb-01 (${balancer}), which balances over ${Object.keys(lab.hosts).slice(1).join(' and ')}.
Request the page; run the command twice, and the other web server answers:

  curl -i --cacert ${lab.authority.caFile} --resolve www.example.test:443:${balancer} https://www.example.test/

Then try:

  npx provision run --dry-run        plan of a run; edit playbooks/site/index.html first
  npx provision verify               check that the services work
  npx provision inventory --flows    who may connect to which port
  npx provision lab ssh web-01       log in to a host
  npx provision lab down             remove the lab
`)

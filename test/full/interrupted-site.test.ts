import { afterAll, beforeAll, expect, it } from 'vitest'
import { labReset } from '../../src/lab/index.ts'
import { interruptRun } from '../e2e/support/interrupt.ts'
import { bareLab, down, up } from '../e2e/support/lab.ts'
import { referenceProject } from '../e2e/support/project.ts'

// The reference site, created twice: undisturbed, and by a controller that is killed again and again.
const SUBNET = '10.79.59'
const HOSTS = ['lb-01', 'web-01', 'web-02']
const project = referenceProject('t-killed', SUBNET)
const spec = bareLab(project, SUBNET)

beforeAll(() => up(spec))
afterAll(async () => {
  await down(spec)
  project.remove()
})

/** The results of a run on which later runs depend: managed files, packages, units, firewall. */
const stateOf = (host: string): string =>
  project.provision(
    'exec',
    host,
    '--sudo',
    '--',
    'sh',
    '-c',
    `cut -d" " -f2 /var/lib/provision/owned/* | grep ^/ | sort -u | xargs -r sha256sum 2>&1 | grep -v "/etc/ssl/[hmn]"
     dpkg-query -W; find /etc /var/www /var/lib/provision -name '*provision-new*'; ls -d /run/provision.????????* /var/lib/provision/undo/* /var/lib/provision/staged 2>/dev/null
     for f in /run/provision/loaded/*; do echo "$f"; tail -n +2 "$f" | grep -v /etc/ssl/[hmn]; done
     systemctl is-active nginx haproxy; systemctl is-enabled nginx haproxy; nft -s -t list ruleset; true`,
  ).stdout

it('a controller killed before the confirmation of the firewall, during a package configuration, and before a reload ends in the same state', async () => {
  const run = () => {
    const { status, stderr } = project.json('run', '--wait')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(project.json('run', '--dry-run').status).toBe(0)
    return HOSTS.map(stateOf)
  }
  const undisturbed = run()
  await labReset(spec)
  for (const moment of [
    'lb-01 doing reconnecting',
    '(web-01|lb-01) doing .*configur',
    'web-01 applied file:/etc/nginx/provision/site.conf',
  ])
    expect((await interruptRun(project, moment, 'SIGKILL').ended).by).toBe('SIGKILL')
  expect(run()).toEqual(undisturbed)
})

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installCommand } from '../e2e/support/install-command.ts'
import { cutPower, down, restorePower, up } from '../e2e/support/lab.ts'
import { type Load, type Phase, phaseLine } from '../e2e/support/load/load.ts'
import { bringApplication, loadSite, NAME } from '../e2e/support/load/load-site.ts'
import { referenceProject } from '../e2e/support/project.ts'

// The long form of test/e2e/zero-downtime.test.ts: everything several times, more visitors, and a TLS scanner.
const project = referenceProject('t-hard', '10.79.83')
const site = loadSite(project, '10.79.83')
const { on, run } = site
let load: Load

beforeAll(async () => {
  await up(site.lab)
  bringApplication(site)
  run()
  load = await site.visit('before anything happens', 1.4)
}, 600_000)
afterAll(async () => {
  load?.kill()
  await down(site.lab)
  project.remove()
})

const meanwhile = async (name: string, act: () => unknown, rest = 2000): Promise<Phase> => {
  await load.next(name)
  await act()
  await new Promise((resolve) => setTimeout(resolve, rest))
  const phase = await load.next(`after: ${name}`)
  process.stdout.write(`${phaseLine(phase)}\n`)
  return phase
}
const times = (count: number, script: string): string => `for i in $(seq ${count}); do ${script}; done`

describe('no request fails', () => {
  it.each<[string, () => unknown]>([
    [
      'while five versions are deployed',
      () => {
        for (const version of [1, 2, 3, 4, 5]) {
          site.page(version)
          run()
        }
      },
    ],
    [
      'while the controller is killed in the middle of a deployment',
      async () => {
        site.page(6)
        const killed = project.start('run')
        while (
          on('load_balancers', 'ls /var/lib/provision/drained 2>/dev/null; true')
            .trim()
            .split('\n')
            .every((line) => !line.includes('@'))
        )
          await new Promise((resolve) => setTimeout(resolve, 10))
        killed.kill('SIGKILL')
        run('--wait')
        expect(on('load_balancers', 'ls /var/lib/provision/drained')).not.toContain('@')
      },
    ],
    ['while one is gone back to, and forward again', () => [run('playbooks/rollback-web.yaml'), run()]],
    [
      'while nginx is reinstalled on one web server after the other, twice',
      () => {
        for (const host of ['web-01', 'web-02'])
          on(host, times(2, 'DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall nginx nginx-common 2>&1'))
      },
    ],
    ['while nginx is reloaded ten times', () => on('web', times(10, 'systemctl reload nginx; sleep 1'))],
    ['while nginx is replaced by itself five times', () => on('web', times(5, 'invoke-rc.d nginx upgrade; sleep 2'))],
    ['while HAProxy is reloaded ten times', () => on('load_balancers', times(10, 'systemctl reload haproxy; sleep 2'))],
    [
      'while HAProxy gets five configurations',
      () => {
        for (const most of [401, 402, 403, 404, 405]) {
          site.configure(`        max_connections: ${most}\n`)
          run()
        }
      },
    ],
    [
      'while certificates are ordered for more and more names',
      () => {
        for (const more of [', a.example.test', ', a.example.test, b.example.test', '']) {
          site.configure('        max_connections: 405\n', more)
          run()
        }
      },
    ],
  ])('%s', async (name, act) => {
    expect((await meanwhile(name, act)).failures).toEqual([])
  })
})

describe('power cuts', () => {
  it.each(['web-01', 'web-02', 'web-01'])('of %s fail only the requests other than GET that were in progress there', async (host) => {
    const gone = await meanwhile(`a power cut of ${host}`, () => cut(host), 9000)
    expect(gone.failures.filter(({ way, at }) => way.endsWith('GET') || at > 1)).toEqual([])
    expect((await meanwhile(`${host} comes back`, () => restore(host), 8000)).failures).toEqual([])
  })

  it.each([1, 2])('of the balancer fail only requests over connections to it (%i)', async () => {
    const [holder = ''] = site.holders()
    const gone = await meanwhile(`a power cut of ${holder}`, () => cut(holder), 9000)
    // Clients with a connection to it may wait until their own timeout; new clients are served.
    expect(gone.failures.filter(({ way, at }) => way.startsWith('fresh') && at > 5)).toEqual([])
    expect((await meanwhile(`${holder} comes back`, () => restore(holder), 3000)).failures).toEqual([])
  })

  it('and no request was executed twice', async () => {
    const { posted, unsure } = await load.stop()
    const applied = site.applied()
    expect([...applied].filter(([, count]) => count > 1)).toEqual([])
    expect(posted.filter((id) => !applied.has(id))).toEqual([])
    const doubtful = unsure.filter((id) => applied.has(id))
    process.stdout.write(`${posted.length} were carried out once; of ${unsure.length} in doubt, ${doubtful.length} were\n`)
  })
})

const cut = (host: string): Promise<void> => cutPower(site.lab, host)
const restore = (host: string): Promise<void> => restorePower(site.lab, host)

it('testssl.sh finds only what the README explains', () => {
  installCommand('testssl', 'testssl.sh')
  const found = join(project.root, 'testssl.json')
  const trusted = join(project.root, '.provision/lab/t-hard/roots.pem')
  const words = ['--quiet', '--color', '0', '--warnings', 'off', '--jsonfile', found, '--add-ca', trusted, '--ip', site.virtual]
  spawnSync('testssl', [...words, `${NAME}:443`], { timeout: 600_000 })
  const all = JSON.parse(readFileSync(found, 'utf8')) as readonly { id: string; severity: string; finding: string }[]
  expect(all.length).toBeGreaterThan(100)
  const bad = all.filter(({ severity }) => ['MEDIUM', 'HIGH', 'CRITICAL'].includes(severity))
  const readme = execFileSync('cat', ['roles/haproxy-tls/README.md'], { encoding: 'utf8' })
  expect(bad.filter(({ id }) => !readme.includes(`\`${id}\``))).toEqual([])
})

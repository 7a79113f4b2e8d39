import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Session } from '../../src/engine/observe/session.ts'
import { openShell } from '../../src/host/shell/open.ts'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { sessionOn } from '../e2e/support/test-host.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const lab: LabSpec = { name: 't-timer', root: checkout, hosts: [{ name: 'host-01', user: 'ops', addresses: ['10.79.41.11'] }] }

let session: Session
beforeAll(async () => {
  await labReset(lab)
  session = await sessionOn('t-timer', '10.79.41.11')
  const parts = ['bin', 'dist', 'package.json', 'node_modules/zod', 'node_modules/.bin/node']
  const archive = execFileSync('tar', ['-C', checkout, '-cz', '--dereference', ...parts], { maxBuffer: 1e9 })
  await session.shell.request('mkdir -p /opt/provision && tar -C /opt/provision -xz', { input: archive })
}, 300_000)
afterAll(async () => {
  await session?.shell.close()
  await labDown(lab)
})

const runIn = (directory: string) => async (script: string) => {
  const { code, stdout, stderr } = await session.shell.request(`cd ${directory} 2>/dev/null; export HOME=/root; ${script}`)
  return { code, text: `${stdout}${stderr}` }
}
const provision = '/opt/provision/node_modules/.bin/node /opt/provision/dist/main.js schedule'

const PROJECT = `set -e
mkdir -p /srv/site/inventory /srv/site/playbooks/site; cd /srv/site
echo hello >playbooks/site/index.html
cat >inventory/site.yaml <<'END'
hosts:
  lb-01: { address: 127.0.0.1 }
  web-01: { address: 127.0.0.2, internal: [127.0.0.2] }
groups:
  load_balancers: { hosts: [lb-01], vars: { haproxy-tls: { certificates: [{ names: [www.example.test] }] } } }
  web: { hosts: [web-01], vars: { nginx: { content: playbooks/site } } }
END
cat >playbooks/site.yaml <<'END'
- { name: web servers, hosts: web, roles: [nginx] }
- { name: balancer, hosts: load_balancers, roles: [haproxy-tls] }
END
`

it('a timer of this machine renews: it is installed, reports the last run, and is removed completely', async () => {
  const run = runIn('/srv/site')
  expect((await run(PROJECT)).text).toBe('')

  expect(await run(`${provision} status`)).toEqual({ code: 1, text: expect.stringContaining('nothing is scheduled') })
  const installed = await run(`${provision} install`)
  expect(installed, installed.text).toMatchObject({
    code: 0,
    text: expect.stringMatching(/load_balancers twice a day[\s\S]*"name":"provision-renewal"/),
  })
  expect(await run(`${provision} status`)).toEqual({ code: 0, text: expect.stringMatching(/has not run yet\nnext {2}\w+ \d{4}-/) })
  expect((await run('systemd-analyze verify /etc/systemd/system/provision-renew-*')).text).toBe('')
  expect((await run('stat -c %a /root/.config/provision/schedule/*/id_ed25519 /root/.config/provision/schedule/*/age.txt')).text).toBe(
    '600\n600\n',
  )

  // No host accepts its key: it fails, and its status shows its last output.
  await run('systemctl start "$(basename /etc/systemd/system/provision-renew-*.service)"')
  expect(await run(`${provision} status`)).toEqual({ code: 1, text: expect.stringMatching(/failed \(exit status 4\)[\s\S]*lb-01/) })

  expect((await run(`${provision} remove`)).code).toBe(0)
  expect((await run('ls -d /etc/systemd/system/provision-renew-* /root/.config/provision/schedule/* 2>/dev/null')).text).toBe('')
  expect((await run(`${provision} status`)).text).toContain('nothing is scheduled')
})

const WATCHED = `set -e
mkdir -p /srv/watched/inventory /srv/watched/playbooks; cd /srv/watched
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cat /root/.ssh/id_ed25519.pub >>/root/.ssh/authorized_keys
ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null >>/root/.ssh/known_hosts
cat >inventory/site.yaml <<'END'
vars: { user: root, key: /root/.ssh/id_ed25519 }
hosts: { mon-01: { address: 127.0.0.1 } }
groups: { monitoring_servers: { hosts: [mon-01] } }
END
cat >playbooks/site.yaml <<'END'
- { name: monitoring, hosts: all, roles: [monitoring] }
END
`
const ACCOUNT = `set -e
useradd -m -s /bin/sh provision-watch; echo 'provision-watch ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/watch
install -d -o provision-watch -m 700 ~provision-watch/.ssh
install -o provision-watch -m 600 /root/.config/provision/schedule/provision-watch-*/id_ed25519.pub ~provision-watch/.ssh/authorized_keys
mkdir -p /var/lib/provision-metrics
`

it('a timer of this machine compares hosts without rights here, skips a host during a run, and is removed with its result', async () => {
  const run = runIn('/srv/watched')
  expect((await run(WATCHED)).text).toBe('')
  const installed = await run(`${provision} install --watch --every 2`)
  expect(installed, installed.text).toMatchObject({
    code: 0,
    text: expect.stringMatching(
      /compares 1 host with the playbook every 2 hours[\s\S]*The result goes to mon-01[\s\S]*"name":"provision-watch"/,
    ),
  })
  expect((await run('systemd-analyze verify /etc/systemd/system/provision-watch-*')).text).toBe('')
  expect(await run(`${provision} status`)).toEqual({ code: 0, text: expect.stringMatching(/has not run yet\nnext {2}\w+ \d{4}-/) })
  const exposure = (
    await run('systemd-analyze security --no-pager "$(basename /etc/systemd/system/provision-watch-*.service)" | tail -n 1')
  ).text
  expect(Number(/(\d[.]\d) /.exec(exposure)?.[1]), exposure).toBeLessThan(4.5)

  expect((await run(ACCOUNT)).text).toBe('')
  const start = 'systemctl start "$(basename /etc/systemd/system/provision-watch-*.service)"'
  await run(start)
  expect(await run(`${provision} status`)).toEqual({ code: 0, text: expect.stringContaining('last  succeeded') })
  const result = 'cat /var/lib/provision-metrics/watch/provision-watch-watched-*.prom'
  const { text } = await run(result)
  expect(text).toMatch(/^provision_watch_differences\{watch="provision-watch-watched-[0-9a-f]{6}",at="mon-01"\} \d\d+$/m)
  expect(text).toContain('resource="package:prometheus-node-exporter",action="create"} 1\n')

  // A run has the lock of the host.
  const holder = { user: 'ann', machine: 'laptop', command: 'provision run', since: new Date().toISOString() }
  const other = await openShell(session.target, { lock: holder })
  await run(start)
  await other.close()
  expect((await run('journalctl -u "provision-watch-*" -o cat --no-pager')).text).toContain('skipped: a run is under way on mon-01\n')
  expect((await run(result)).text).toBe(text)

  const removed = await run(`${provision} remove --watch`)
  expect(removed, removed.text).toMatchObject({ code: 0, text: expect.stringContaining('The watch is removed') })
  const rest = 'ls -d /etc/systemd/system/provision-watch-* /root/.config/provision/schedule/* /var/lib/provision-metrics/* 2>/dev/null'
  expect((await run(rest)).text).toBe('')
  expect((await run(`${provision} status`)).text).toContain('nothing is scheduled')
})

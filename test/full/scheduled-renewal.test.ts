import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { sessionOn } from '../e2e/support/test-host.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const lab: LabSpec = { name: 't-timer', root: checkout, hosts: [{ name: 'host-01', user: 'ops', addresses: ['10.79.41.11'] }] }

beforeAll(() => labReset(lab))
afterAll(() => labDown(lab))

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
  const { shell } = await sessionOn('t-timer', '10.79.41.11')
  const run = async (script: string) => {
    const { code, stdout, stderr } = await shell.request(`cd /srv/site 2>/dev/null; export HOME=/root; ${script}`)
    return { code, text: `${stdout}${stderr}` }
  }
  const parts = ['bin', 'dist', 'package.json', 'node_modules/zod', 'node_modules/.bin/node']
  const archive = execFileSync('tar', ['-C', checkout, '-cz', '--dereference', ...parts], { maxBuffer: 1e9 })
  await shell.request('mkdir -p /opt/provision && tar -C /opt/provision -xz', { input: archive })
  expect((await run(PROJECT)).text).toBe('')
  const provision = '/opt/provision/node_modules/.bin/node /opt/provision/dist/main.js schedule'

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
  await shell.close()
})

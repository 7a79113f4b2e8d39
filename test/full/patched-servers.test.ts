import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside, interruptRun } from '../e2e/support/interrupt.ts'
import { down, up } from '../e2e/support/lab.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'

// examples/patched-servers, on two hosts.
const SUBNET = '10.79.225'
const NAMES = ['app-01', 'app-02']
const project = referenceProject('t-patched', SUBNET)
const spec = {
  name: project.lab,
  root: project.root,
  hosts: NAMES.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}
const on = async (host: string, script: string): Promise<string> => (await inside(spec, host, script)).trim()
const bootOf = (host: string): Promise<string> => on(host, 'cat /proc/sys/kernel/random/boot_id')
const run = (...words: readonly string[]) => project.json('run', ...words)
const INSTALL = 'DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades --no-install-recommends install'

/** Installs the older one of the two versions that Debian has of haproxy. */
const outdate = (host: string): Promise<string> =>
  on(host, `apt-get -qq update; ${INSTALL} haproxy=$(apt-cache madison haproxy | cut -d'|' -f2 | tr -d ' ' | tail -n 1) >/dev/null 2>&1`)

beforeAll(async () => {
  const example = join(import.meta.dirname, '../../examples/patched-servers')
  for (const part of ['inventory', 'playbooks']) rmSync(join(project.root, part), { recursive: true })
  cpSync(join(example, 'playbooks'), join(project.root, 'playbooks'), { recursive: true })
  const login = `user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new`
  const hosts = NAMES.map((name, i) => `${name}: { address: ${SUBNET}.${11 + i} }`).join(', ')
  project.write('inventory/hosts.yaml', `vars: { ${login}, firewall: { administrators: [${SUBNET}.1] } }\nhosts: { ${hosts} }\n`)
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('servers that are patched in turn', () => {
  it('are hardened as the dry run shows, and then there is nothing to do', () => {
    const planned = run('--dry-run')
    const made = run()
    expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
    expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('are upgraded and rebooted one after the other', async () => {
    await Promise.all(NAMES.map(outdate))
    const boots = await Promise.all(NAMES.map(bootOf))
    const planned = run('--dry-run')
    expect(changes(planned.lines, 'planned')).toEqual([
      ...['app-01 run reboot:host', 'app-01 update upgrade:host'],
      ...['app-02 run reboot:host', 'app-02 update upgrade:host'],
    ])
    const made = run()
    expect(made.stderr).toBe('')
    const applied = made.lines.flatMap(({ phase, host, resource }) => (phase === 'applied' ? [`${host} ${resource}`] : []))
    expect(applied).toEqual(['app-01 upgrade:host', 'app-01 reboot:host', 'app-02 upgrade:host', 'app-02 reboot:host'])
    for (const [i, host] of NAMES.entries()) expect(await bootOf(host)).not.toBe(boots[i])
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('are patched by the next run if the controller is killed between upgrade and reboot', async () => {
    await Promise.all(NAMES.map(outdate))
    const boots = await Promise.all(NAMES.map(bootOf))
    expect((await interruptRun(project, 'app-01 applied upgrade:host', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(await Promise.all(NAMES.map(bootOf))).toEqual(boots)
    expect(run().status).toBe(0)
    for (const [i, host] of NAMES.entries()) expect(await bootOf(host)).not.toBe(boots[i])
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })
})

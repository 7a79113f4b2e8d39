import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside, interruptRun } from '../e2e/support/interrupt.ts'
import { down, up } from '../e2e/support/lab.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'

const SUBNET = '10.79.224'
const NAMES = ['one', 'two']
const project = referenceProject('t-reboot', SUBNET)
const spec = {
  name: 't-reboot',
  root: project.root,
  hosts: NAMES.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${21 + i}`] })),
}
const hosts = NAMES.map((name, i) => `  ${name}: { address: ${SUBNET}.${21 + i} }`).join('\n')
const on = (script: string, host = 'one'): Promise<string> => inside(spec, host, script)
const bootOf = (host = 'one') => on('cat /proc/sys/kernel/random/boot_id', host)
const declare = (pattern: string, content: string): void =>
  project.write(
    'playbooks/site.yaml',
    `- name: kernel
  hosts: ${pattern}
  resources:
    - file: { path: /etc/before, content: "${content}" }
    - reboot: { when: [/etc/before] }
    - file: { path: /etc/after, content: "${content}" }
    - command: { name: booted, run: "cat /proc/sys/kernel/random/boot_id >>/root/boots", when: [/etc/before] }
`,
  )
const run = (...words: readonly string[]) => project.json('run', ...words)

beforeAll(async () => {
  const settings = `{ user: ops, key: .provision/lab/t-reboot/id_ed25519, known_hosts: .provision/lab/t-reboot/known_hosts }`
  project.write('inventory/site.yaml', `vars: ${settings}\nhosts:\n${hosts}\n`)
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a reboot', () => {
  it('is made as the dry run shows, one host after the other, and what follows is made by the new system', async () => {
    declare('all', '1')
    const boots = await Promise.all(NAMES.map(bootOf))
    const planned = run('--dry-run')
    const made = run()
    expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
    expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
    expect(changes(made.lines, 'applied')).toContain('two run reboot:host')
    for (const [i, host] of NAMES.entries()) {
      expect(await bootOf(host)).not.toBe(boots[i])
      expect(await on('cat /root/boots', host)).toBe(await bootOf(host))
    }
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('is made by the next run if the controller is killed before', async () => {
    declare('one', '2')
    const boot = await bootOf()
    expect((await interruptRun(project, 'one applied file:/etc/before', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(await bootOf()).toBe(boot)
    expect(project.provision('run', '--dry-run').stdout).toContain('because file:/etc/before changed after the host booted')
    expect(run().status).toBe(0)
    expect(await bootOf()).not.toBe(boot)
    expect(await on('cat /etc/after; tail -n 1 /root/boots')).toBe(`2${await bootOf()}`)
  })

  it('is not repeated if the controller is killed while the host is down, and the rest is made', async () => {
    declare('one', '3')
    const boot = await bootOf()
    expect((await interruptRun(project, 'one doing waiting until it is back', 'SIGKILL').ended).by).toBe('SIGKILL')
    let next = run()
    // The host may still be down.
    for (let i = 0; i < 20 && next.status === 4; i++) next = run()
    expect(changes(next.lines, 'applied')).toEqual(['one run command:booted', 'one update file:/etc/after'])
    expect(await bootOf()).not.toBe(boot)
    expect(await on('tail -n 1 /root/boots')).toBe(await bootOf())
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('is made if the system asks for it', async () => {
    await on('echo linux-image >/run/reboot-required.pkgs; : >/run/reboot-required')
    expect(project.provision('run', '--dry-run').stdout).toContain('linux-image asked for it')
    expect(changes(run().lines, 'applied')).toEqual(['one run reboot:host'])
    expect(await on('ls /run/reboot-required 2>/dev/null || echo gone')).toBe('gone\n')
  })
})

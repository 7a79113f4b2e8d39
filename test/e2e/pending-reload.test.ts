import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside, interruptRun } from './support/interrupt.ts'
import { down, installed, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const SUBNET = '10.79.43'
const project = referenceProject('t-owed', SUBNET)
const spec = installed({
  name: 't-owed',
  root: project.root,
  hosts: [{ name: 'one', user: 'ops', addresses: [`${SUBNET}.11`, 'fd43::11'] }],
})

// A service that records its loaded files.
const APP = `import { defineRole, directory, file, service, unit, z } from 'provision'
const UNIT = \`[Service]
ExecStart=/bin/sh -c 'cat /etc/app/conf >/run/app.loaded; exec sleep infinity'
ExecReload=/bin/sh -c 'cat /etc/app/conf >/run/app.loaded'
\`
export default defineRole({
  name: 'app',
  summary: 'a service and its file',
  options: z.strictObject({ conf: z.string() }),
  resources: ({ options: { conf } }) => {
    const own = unit({ name: 'app.service', content: UNIT })
    const file_ = file({ path: '/etc/app/conf', content: conf })
    return [directory({ path: '/etc/app' }), file_, own, service({ unit: 'app.service', enabled: false, loads: [file_], restarts: [own] })]
  },
})
`
const OTHER = `import { defineRole, file, z } from 'provision'
export default defineRole({
  name: 'other', summary: 'a file', options: z.strictObject({ content: z.string() }),
  resources: ({ options }) => [file({ path: '/etc/other', content: options.content })],
})
`
// A command that follows a file and a group, and counts.
const FOLLOWS = `import { command, defineRole, file, group, script, wait, z } from 'provision'
export default defineRole({
  name: 'follows', summary: 'a command that follows', options: z.strictObject({ content: z.string(), run: z.string().optional() }),
  facts: { script: 'echo "kernel=$(uname -s)"', schema: z.object({ kernel: z.literal('Linux') }) },
  resources: ({ options: { content, run }, facts }) => {
    const it = file({ path: '/etc/followed', content })
    const follow = command({ name: 'follow', run: 'cat /etc/followed >>/root/follows; ' + (run ?? 'true'), when: [it, 'group:followed'] })
    const asOps = script({ name: 'as ops', content: '#!/bin/sh\\n[ "$(id -un) $SECRET" = "ops s3cret" ] && umask\\n', user: 'ops', umask: '027',
      environment: { SECRET: 's3cret' }, when: [it], onlyIf: '[ -r /etc/followed ]' })
    const more = [follow, asOps, wait({ path: '/root/follows', when: [follow] }), file({ path: '/etc/kernel.asked', content: facts.own.kernel })]
    return [it, group({ name: 'followed' }), ...(run === undefined ? [] : more)]
  },
})
`

let follows: readonly object[] = []
const site = (conf: string, other: string, administrators = `${SUBNET}.1, 'fd43::1'`): void => {
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/t-owed/id_ed25519
  known_hosts: .provision/lab/t-owed/known_hosts
  firewall: { administrators: [${administrators}], confirm_seconds: 600 }
hosts:
  one: { address: ${SUBNET}.11, internal: [${SUBNET}.11, 'fd43::11'] }
`,
  )
  const roles = [{ app: { conf } }, { other: { content: other } }, ...follows].map((role) => JSON.stringify(role))
  project.write('playbooks/site.yaml', `- name: one\n  hosts: all\n  roles: [firewall, ${roles}]\n`)
}
const on = (script: string): Promise<string> => inside(spec, 'one', script)

beforeAll(async () => {
  site('one', 'one')
  project.write('roles/app.ts', APP)
  project.write('roles/other.ts', OTHER)
  project.write('roles/follows.ts', FOLLOWS)
  await up(spec)
  const { status, stderr } = project.provision('run')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a pending reload of an interrupted run', () => {
  const owed = 'service app.service: runs with an older /etc/app/conf; the next run of role app completes the change'

  it('is reported by a run of another role, and left to a run of its own role', async () => {
    site('two', 'two')
    expect((await interruptRun(project, 'one applied file:/etc/app/conf', 'SIGKILL').ended).by).toBe('SIGKILL')
    expect(await on('cat /etc/app/conf; echo; cat /run/app.loaded')).toBe('two\none')
    const pid = await on('systemctl show -P MainPID app.service')

    const dry = project.provision('run', '--dry-run', '--role', 'other')
    expect(dry.status).toBe(2)
    expect(dry.stdout).toContain(`! app: ${owed}`)
    const { status, lines } = project.json('run', '--role', 'other')
    expect(status).toBe(0)
    expect(lines).toContainEqual({ type: 'warning', host: 'one', role: 'app', what: owed })
    expect(changes(lines, 'applied')).toEqual(['one update file:/etc/other', 'one update owned:other'])
    expect(await on('cat /etc/other /run/app.loaded; systemctl show -P MainPID app.service')).toBe(`twoone${pid}`)
  })

  it('is reported if nothing else is to do, and done by the next run', async () => {
    const again = project.provision('run', '--role', 'other')
    expect(again.status).toBe(0)
    expect(again.stdout).toContain(owed)
    expect(again.stdout).toContain('Nothing to do')
    const whole = project.json('run')
    expect(changes(whole.lines, 'applied')).toEqual(['one update service:app.service'])
    expect(await on('cat /run/app.loaded')).toBe('two')
    expect(project.provision('run', '--role', 'other').stdout).not.toContain('app.service')
  })

  it('is not reported for a file that was not written yet', () => {
    site('three', 'two')
    expect(project.provision('run', '--dry-run', '--role', 'other').stdout).not.toContain('app.service')
    expect(project.provision('run').status).toBe(0)
  })
})

describe('unfinished safety work', () => {
  it('is finished by a run of another role if firewall rules wait for confirmation', async () => {
    site('three', 'two', `${SUBNET}.1, 'fd43::1', 192.0.2.1`)
    await interruptRun(project, 'one doing reconnecting', 'SIGKILL').ended
    const waiting = 'ls /var/lib/provision/nftables | grep -c pending || true'
    expect(await on(waiting)).toBe('1\n')
    const { status, lines } = project.json('run', '--role', 'other')
    expect(status).toBe(0)
    expect(changes(lines, 'applied')).toEqual(['one update nftables:inet provision'])
    expect(await on(waiting)).toBe('0\n')
    expect(await on('nft list table inet provision')).toContain('192.0.2.1')
    expect(project.provision('run').stdout).toContain('Nothing to do')
  })

  it('does not remain after a reboot that follows the confirmation: the old mark goes, the mark of this boot stays until its rules are saved', async () => {
    const marks = 'cd /var/lib/provision/nftables; ls | grep confirmed || true'
    await on(
      `cd /var/lib/provision/nftables; echo earlier >inet-provision.confirmed.1; cat /proc/sys/kernel/random/boot_id >inet-other.confirmed.2`,
    )
    expect(project.provision('run', '--dry-run').stdout).toContain('Nothing to do')
    expect(await on(marks)).toBe('inet-other.confirmed.2\ninet-provision.confirmed.1\n')
    expect(project.provision('run', '--role', 'other').stdout).toContain('Nothing to do')
    expect(await on(`${marks}; rm inet-other.confirmed.2`)).toBe('inet-other.confirmed.2\n')
  })

  it('is finished by a run of another role if services are still held back', async () => {
    const held = '/run/systemd/system-preset/00-provision.preset'
    await on(`mkdir -p ${held.slice(0, held.lastIndexOf('/'))}; echo disable >${held}`)
    const { status, lines } = project.json('run', '--role', 'other')
    expect(status).toBe(0)
    expect(changes(lines, 'applied')).toEqual(['one update package:nftables'])
    expect(await on(`ls ${held} 2>/dev/null || echo gone`)).toBe('gone\n')
  })
})

describe('a command with when', () => {
  const declare = (options: object): void => {
    follows = [{ follows: options }]
    site('three', 'two', `${SUBNET}.1, 'fd43::1', 192.0.2.1`)
  }
  const run = (...words: readonly string[]) => project.json('run', ...words)
  const planned = () => project.provision('run', '--dry-run').stdout
  const interrupted = async () => (await interruptRun(project, 'one applied file:/etc/followed', 'SIGKILL').ended).by
  const followed = () => on('cat /root/follows')

  it('runs after its resources on a new host, as the dry run shows, and then only if one of them changes', async () => {
    declare({ content: '1', run: 'true' })
    expect(planned()).toContain('runs because file:/etc/followed changes, and 1 more')
    expect(project.provision('run', '--dry-run').stdout).toContain('waits for /root/follows after command:follow')
    const first = project.provision('run')
    expect(first).toMatchObject({ status: 0, stderr: '' })
    expect(first.stdout).toContain('script as ops printed:\n  0027')
    expect(await on('cat /etc/kernel.asked')).toBe('Linux')
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
    declare({ content: '2', run: 'true' })
    expect(planned()).toContain('runs because file:/etc/followed changes, opaque')
    expect(changes(run().lines, 'applied')).toEqual([
      ...['one run command:follow', 'one run script:as ops', 'one run wait:/root/follows'],
      ...['one update file:/etc/followed', 'one update owned:follows'],
    ])
    await on('groupdel followed')
    expect(planned()).toContain('runs because group:followed changes')
    expect(run().status).toBe(0)
    expect(await followed()).toBe('122')
  })

  it('runs after an interruption between a change and the command, and is reported by runs of other roles', async () => {
    declare({ content: '3', run: 'true' })
    expect(await interrupted()).toBe('SIGKILL')
    expect(await on('cat /etc/followed /root/follows')).toBe('3122')
    const reason = 'file:/etc/followed changed, and it has not succeeded since'
    expect(planned()).toContain(reason)
    await on('chmod 600 /etc/followed')
    expect(changes(run().lines, 'applied')).toEqual([
      ...['one run command:follow', 'one run script:as ops', 'one run wait:/root/follows', 'one update file:/etc/followed'],
    ])
    expect(await followed()).toBe('1223')
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('stays due until it succeeds', async () => {
    declare({ content: '4', run: 'exit 3' })
    expect(run().status).toBe(1)
    declare({ content: '4', run: 'true' })
    expect(planned()).toContain('file:/etc/followed changed, and it has not succeeded since')
    expect(run().status).toBe(0)
    expect(await followed()).toBe('122344')
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('leaves no record once no role declares it', async () => {
    const records = 'ls /var/lib/provision/commands | wc -l'
    expect(await on(records)).toBe('2\n')
    declare({ content: '4' })
    expect(run('--prune').status).toBe(0)
    expect(await on(records)).toBe('0\n')
  })
})

import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inside } from './support/interrupt.ts'
import { down, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const SUBNET = '10.79.91'
const project = referenceProject('t-kept', SUBNET)
const spec = {
  name: 't-kept',
  root: project.root,
  hosts: ['one', 'two'].map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}

// A service that records its loaded files, and files around it.
const APP = `import { defineRole, directory, file, link, service, unit, z } from 'provision'
const UNIT = \`[Service]
ExecStart=/bin/sh -c 'ls /etc/app >/run/app.loaded; exec sleep infinity'
ExecReload=/bin/sh -c 'ls /etc/app >/run/app.loaded'
\`
export default defineRole({
  name: 'app',
  summary: 'a service and its files',
  options: z.strictObject({ files: z.record(z.string(), z.string()), links: z.array(z.string()).default([]), helper: z.boolean().default(false) }),
  resources: ({ options }) => {
    const files = Object.entries(options.files).map(([name, content]) => file({ path: '/etc/app/' + name, content }))
    const own = unit({ name: 'app.service', content: UNIT })
    return [
      directory({ path: '/etc/app' }),
      ...files,
      ...options.links.map((name) => link({ path: '/etc/' + name, target: 'app' })),
      own,
      service({ unit: 'app.service', enabled: false, loads: files.slice(0, 1), restarts: [own] }),
      ...(options.helper
        ? [unit({ name: 'helper.service', content: '[Service]\\nExecStart=/bin/sleep infinity\\n' }), service({ unit: 'helper.service', enabled: false })]
        : []),
    ]
  },
})
`
const EXTRA = `import { defineRole, directory, file, z } from 'provision'
export default defineRole({
  name: 'extra', summary: 'a file in a directory', options: z.strictObject({}),
  resources: () => [directory({ path: '/etc/extra' }), file({ path: '/etc/extra/file', content: 'extra' })],
})
`

const site = (options: object, ...more: readonly string[]): void =>
  project.write('playbooks/site.yaml', `- name: one\n  hosts: all\n  roles: [${[JSON.stringify({ app: options }), ...more].join(', ')}]\n`)
/** The inventory with these of the lab's hosts. */
const inventory = (...names: readonly string[]): void =>
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: .provision/lab/t-kept/id_ed25519, known_hosts: .provision/lab/t-kept/known_hosts }
hosts: { ${names.map((name) => `${name}: { address: ${SUBNET}.${name === 'one' ? 11 : 12} }`).join(', ')} }\n`,
  )
const on = (command: string): string => project.provision('exec', 'one', '--sudo', '--', 'sh', '-c', command).stdout.trim()
const full = { files: { a: 'a', b: 'b', c: 'c' }, links: ['link'], helper: true }

beforeAll(async () => {
  inventory('one')
  project.write('roles/app.ts', APP)
  project.write('roles/extra.ts', EXTRA)
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a saved plan', () => {
  it('is applied exactly, and the run reports that every change was predicted', () => {
    site(full, 'extra')
    const dry = project.json('run', '--dry-run', '--save', 'plan.json')
    expect(dry.status).toBe(2)
    expect(readFileSync(`${project.root}/plan.json`, 'utf8')).not.toContain('ExecStart')
    const { status, lines, stderr } = project.json('run', '--plan', 'plan.json')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(changes(lines, 'applied')).toEqual(changes(dry.lines, 'planned'))
    const happened = changes(lines, 'applied').length
    expect(lines.at(-1)).toMatchObject({ prediction: { predicted: happened, actual: happened } })
  })

  it('is refused after it was applied', () => {
    const { status, stderr } = project.provision('run', '--plan', 'plan.json')
    expect(status).toBe(3)
    expect(stderr).toContain('one › role app › file:/etc/app/a\n  what change (create) is in the saved plan and is no longer needed')
  })

  it('is refused if the host or the site changed, with the differences, and nothing is changed', () => {
    on('echo by hand >/etc/app/a; chmod 600 /etc/app/b')
    project.provision('run', '--dry-run', '--save', 'plan.json')
    on('echo by another hand >/etc/app/a')
    const host = project.provision('run', '--plan', 'plan.json')
    expect(host.stderr).toContain(
      'one › role app › file:/etc/app/a\n  what state has changed since the plan was saved\n  why  these differ: content\n  fix  review and save a new plan: provision run --dry-run --save FILE (nothing was changed)',
    )
    on('echo by hand >/etc/app/a')
    site({ ...full, files: { ...full.files, a: 'another' } }, 'extra')
    const wish = project.provision('run', '--plan', 'plan.json')
    expect(wish.stderr).toContain(
      'one › role app › file:/etc/app/a\n  what desired state has changed since the plan was saved\n  why  these differ: content\n',
    )
    expect([host.status, wish.status]).toEqual([3, 3])
    expect(on('cat /etc/app/a; stat -c %a /etc/app/b')).toBe('by hand\n600')
    site(full, 'extra')
    expect(project.provision('run', '--plan', 'plan.json').stdout).toMatch(/2 changes applied and confirmed {2}predicted 2 of 2 changes/)
  })
})

describe('a saved plan with a failed change', () => {
  it('is resumed, unless somebody changed what it was to change', () => {
    project.write(
      'roles/steps.ts',
      `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'steps', summary: 'a command between two files', options: z.strictObject({}),
  resources: () => [
    file({ path: '/etc/step-1', content: '1' }),
    command({ name: 'gate', run: '[ -e /run/gate ] && touch /run/gate.passed', creates: '/run/gate.passed' }),
    file({ path: '/etc/step-2', content: '2' }),
  ],
})
`,
    )
    project.write('playbooks/steps.yaml', '- hosts: one\n  roles: [steps]\n')
    project.provision('run', 'playbooks/steps.yaml', '--dry-run', '--save', 'steps.json')
    const failed = project.provision('run', '--plan', 'steps.json')
    expect(failed.status).toBe(1)
    expect(failed.stdout).toMatch(/^✖ 1 failed, 2 changes applied {2}predicted 2 of 3 changes/m)
    on('echo by hand >/etc/step-2; touch /run/gate')
    const stale = project.provision('run', '--plan', 'steps.json')
    expect(stale.status).toBe(3)
    expect(stale.stderr).toContain('one › role steps › file:/etc/step-2\n  what state has changed since the plan was saved')
    on('rm /etc/step-2')
    expect(project.provision('run', '--plan', 'steps.json').stdout).toMatch(/3 changes applied and confirmed {2}predicted 3 of 3 changes/)
    expect(on('cat /etc/step-1 /etc/step-2')).toBe('12')
    expect(project.provision('run', '--plan', 'steps.json').status).toBe(3)
    on('rm -r /etc/step-* /run/gate* /var/lib/provision/owned/steps')
  })
})

describe('a saved plan whose run was killed', () => {
  it('is resumed: it applies what is left, and nothing else', async () => {
    project.write(
      'roles/waits.ts',
      `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'waits', summary: 'a command between two files', options: z.strictObject({}),
  resources: () => [
    file({ path: '/etc/wait-1', content: '1' }),
    command({ name: 'wait', run: ': >/run/waiting; until [ -e /run/opened ]; do sleep 0.05; done; echo once >>/etc/waited', unless: 'grep -qs once /etc/waited' }),
    file({ path: '/etc/wait-2', content: '2' }),
  ],
})
`,
    )
    project.write('playbooks/waits.yaml', '- hosts: one\n  roles: [waits]\n')
    project.provision('run', 'playbooks/waits.yaml', '--dry-run', '--save', 'waits.json')
    const killed = project.start('run', '--plan', 'waits.json')
    try {
      await expect.poll(() => inside(spec, 'one', 'ls /run/waiting 2>&1 || :'), { timeout: 30_000 }).toBe('/run/waiting\n')
    } finally {
      killed.kill('SIGKILL')
      await inside(spec, 'one', 'touch /run/opened')
    }
    const { status, stdout, stderr } = project.provision('run', '--plan', 'waits.json')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/changes? applied and confirmed {2}predicted (\d+) of \1 changes?/)
    expect(stdout).not.toContain('/etc/wait-1')
    expect(on('cat /etc/wait-1 /etc/waited /etc/wait-2')).toBe('1once\n2')
    expect(project.provision('run', '--plan', 'waits.json').stderr).toContain('is in the saved plan and is no longer needed')
    on('rm -r /etc/wait* /run/waiting /run/opened /var/lib/provision/owned/waits')
  })
})

describe('a saved plan of several hosts', () => {
  it('is refused if one of them was removed from the site, or the rollout differs, and nothing is changed', () => {
    const changed = { ...full, files: { ...full.files, b: 'b of both' } }
    const play = (serial: string): void =>
      project.write('playbooks/site.yaml', `- name: both\n  hosts: all\n${serial}  roles: [${JSON.stringify({ app: changed })}, extra]\n`)
    inventory('one', 'two')
    play('  serial: 1\n')
    expect(project.provision('run', '--dry-run', '--save', 'plan.json').status).toBe(2)
    inventory('one')
    const gone = project.provision('run', '--plan', 'plan.json')
    inventory('one', 'two')
    play('')
    const hasty = project.provision('run', '--plan', 'plan.json')
    expect([gone.status, hasty.status]).toEqual([3, 3])
    expect(gone.stderr).toContain(
      'two\n  what host is in the saved plan and is no longer selected\n  why  it was removed from the inventory',
    )
    expect(hasty.stderr).toContain(
      'what rollout differs from the present plan\n  why  serial: 1 → all at once\n  fix  review and save a new plan: provision run --dry-run --save FILE (nothing was changed)',
    )
    expect(on('cat /etc/app/b')).toBe('b')
    inventory('one')
  })
})

describe('an orphan', () => {
  it('is reported by every run without --prune, which changes nothing', () => {
    site({ files: { a: 'a', c: 'c' } }, 'extra')
    for (const words of [['--dry-run'], [], []]) {
      const { status, stdout } = project.provision('run', ...words)
      expect(status).toBe(0)
      expect(stdout).toContain('no longer declares unit helper.service, link /etc/link, file /etc/app/b; --prune deletes them')
      expect(stdout).toContain('Nothing to do')
    }
    const { lines } = project.json('run', '--dry-run')
    const orphans = lines.filter(({ type }) => type === 'orphan')
    expect(orphans.map(({ host, action, resource }) => `${host} ${action} ${resource}`)).toEqual([
      'one update service:helper.service',
      'one delete unit:helper.service',
      'one delete link:/etc/link',
      'one delete file:/etc/app/b',
    ])
    expect(orphans.at(-1)).toMatchObject({ role: 'app', reason: 'no role declares it any more', withheld: '--prune' })
    expect(lines.at(-1)).toMatchObject({ result: 'converged' })
    expect(on('ls /etc/app /etc/link')).toContain('b')
  })

  it('is kept if somebody else changed it; others are deleted as predicted, and services load the remaining files', () => {
    site({ files: { a: 'a' } }, 'extra')
    on('echo mine now >>/etc/app/c')
    const dry = project.json('run', '--dry-run', '--prune')
    expect(changes(dry.lines, 'planned')).toEqual([
      'one delete file:/etc/app/b',
      'one delete link:/etc/link',
      'one delete unit:helper.service',
      'one update file:/etc/app/c',
      'one update service:app.service',
      'one update service:helper.service',
    ])
    const { status, lines, stderr } = project.json('run', '--prune')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(changes(lines, 'applied')).toEqual(changes(dry.lines, 'planned'))
    expect(on('ls -d /etc/link /etc/app/* 2>/dev/null; cat /run/app.loaded; systemctl is-active helper.service')).toBe(
      '/etc/app/a\n/etc/app/c\na\nc\ninactive',
    )
    expect(on('cat /etc/app/c')).toBe('cmine now')
    expect(project.provision('run', '--prune').stdout).toMatch(/^✔ Nothing to do/m)
  })

  it('of a removed role is deleted by a run of its playbook; --role for another role keeps it', () => {
    site({ files: { a: 'a' } })
    project.write('playbooks/other.yaml', '- name: other\n  hosts: all\n  roles: [{ app: { files: { a: a } } }]\n')
    expect(project.provision('run', 'playbooks/other.yaml', '--prune', '--dry-run').stdout).not.toContain('extra')
    expect(project.provision('run', '--prune', '--role', 'app', '--dry-run').stdout).not.toContain('extra')
    // Several playbooks at once may bind the same role to the same host.
    expect(project.provision('run', 'playbooks/site.yaml', 'playbooks/other.yaml', '--dry-run').stderr).toBe('')
    const { status, stdout } = project.provision('run', '--prune')
    expect(status).toBe(0)
    expect(stdout).toMatch(/- directory \/etc\/extra {2}no role declares it any more/)
    expect(on('ls -d /etc/extra /var/lib/provision/owned/*; true')).toBe('/var/lib/provision/owned/app')
    expect(project.provision('run').stdout).toMatch(/^✔ Nothing to do/m)
  })

  it('that does not exist any more is dropped from the record by every run', () => {
    site({ files: { a: 'a', d: 'd' } })
    project.provision('run')
    site({ files: { a: 'a' } })
    on('rm /etc/app/d')
    expect(project.provision('run').stdout).toMatch(/~ file \/etc\/app\/d {2}gone already, dropped from the ownership record/)
    expect(on('grep -c /etc/app/d /var/lib/provision/owned/app; true')).toBe('0')
    expect(project.provision('run', '--prune').stdout).toMatch(/^✔ Nothing to do/m)
  })

  it('is not read from a record of another version', () => {
    on(`sed -i '1s/2/3/' /var/lib/provision/owned/app`)
    const { status, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /one › role app\n {2}what ownership record \/var\/lib\/provision\/owned\/app was written by another version of provision\n/,
    )
  })
})

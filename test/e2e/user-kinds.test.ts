// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { filesIn } from '../unit/docs/pages.ts'
import { inside } from './support/interrupt.ts'
import { down, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// The project of docs/writing-kinds.md, on one host.
const SUBNET = '10.79.46'
const project = referenceProject('t-kinds', SUBNET)
const spec: LabSpec = { name: project.lab, root: project.root, hosts: [{ name: 'web-01', user: 'ops', addresses: [`${SUBNET}.11`] }] }
const BOOT_FILE = '/etc/tmpfiles.d/provision.shop.conf'
const NOTE = `import { defineRole, file, z } from 'provision'
export default defineRole({ name: 'note', summary: 'one file', options: z.strictObject({}), resources: () => [file({ path: '/srv/note', content: '' })] })
`

const play = (...roles: readonly string[]): void => project.write('playbooks/kinds.yaml', `- hosts: all\n  roles: [${roles.join(', ')}]\n`)
const run = (...words: readonly string[]) => project.json('run', '-i', 'inventory/kinds.yaml', 'playbooks/kinds.yaml', ...words)
const onHost = async (script: string): Promise<string> => (await inside(spec, 'web-01', script)).trim()

const PARTS = `import { block, defineRole, line, service, setting, unit, z } from 'provision'
export default defineRole({ name: 'parts', summary: 'parts of files', options: z.strictObject({ port: z.number(), all: z.boolean().default(true) }), resources: ({ options }) => {
  const path = '/etc/others.conf'
  const parts = [
    line({ path, line: 'port = ' + options.port, regexp: '^#?port =', check: ['grep', '-q', 'port = [1-9]', '%s'] }),
    ...(options.all ? [line({ path, line: 'extra', after: '^port' })] : []),
    line({ path, contains: 'unwanted', state: 'absent' }),
    block({ path, name: 'shop', block: 'one\\ntwo\\n', at: 'begin' }),
    setting({ path, key: 'size', value: options.port }),
    setting({ path: '/etc/ssh/sshd_config', key: 'MaxAuthTries', value: 5, format: 'sshd' }),
  ]
  const reads = unit({ name: 'reads.service', content: '[Service]\\nExecStart=/bin/sh -c "cp ' + path + ' /run/reads; exec sleep infinity"\\nExecReload=/bin/cp ' + path + ' /run/reads\\n' })
  return [...parts, reads, service({ unit: 'reads.service', enabled: false, loads: parts.slice(0, -1), restarts: [reads] })]
} })
`

beforeAll(async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/writing-kinds.md'), 'utf8')
  for (const [path, text] of Object.entries(filesIn(page))) project.write(path, text)
  project.write('roles/note.ts', NOTE)
  project.write('roles/parts.ts', PARTS)
  const settings = `user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new`
  project.write(
    'inventory/kinds.yaml',
    `vars: { ${settings}, shop: { directories: [shop] } }\nhosts: { web-01: { address: ${SUBNET}.11 } }\n`,
  )
  play('note', 'shop')
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

it('plans the resource before its owner exists, and makes exactly this change', async () => {
  const planned = run('--dry-run')
  expect(planned.stderr).toBe('')
  expect(planned.lines.find(({ resource }) => resource === 'runtime-directory:shop')).toMatchObject({
    action: 'create',
    certainty: 'dependent',
  })
  const made = run()
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
  expect(await onHost(`stat -c '%F %a %U %G' /run/shop; cat ${BOOT_FILE}`)).toBe('directory 750 shop shop\nd /run/shop 750 shop shop -')
})

it('has nothing to do in a second run', () => {
  const again = run()
  expect(again.status).toBe(0)
  expect(again.lines.at(-1)).toMatchObject({ type: 'summary', result: 'converged' })
  expect(changes(again.lines, 'planned')).toEqual([])
})

it('plans a manual change, and reverts it', async () => {
  await onHost('chmod 777 /run/shop')
  expect(changes(run('--dry-run').lines, 'planned')).toEqual(['web-01 update runtime-directory:shop'])
  expect(run().status).toBe(0)
  expect(await onHost('stat -c %a /run/shop')).toBe('750')
})

it('deletes the orphan when the role and the last import of the kind are gone', async () => {
  play('note')
  const withheld = run()
  expect(withheld.status).toBe(0)
  expect(await onHost(`cat ${BOOT_FILE}`)).toContain('/run/shop')
  const pruned = run('--prune')
  expect(pruned.status).toBe(0)
  expect(changes(pruned.lines, 'applied')).toContain('web-01 delete runtime-directory:shop')
  expect(await onHost(`ls ${BOOT_FILE} 2>/dev/null || echo gone`)).toBe('gone')
  expect(run('--prune').lines.at(-1)).toMatchObject({ result: 'converged' })
})

it('keeps a file of a package among hundreds of kilobytes of orphans', async () => {
  play('note')
  await onHost(`mkdir -p /srv/${'d'.repeat(180)}
sum=$(sha256sum /usr/bin/find | cut -d' ' -f1)
perl -e 'my ($d, $s) = @ARGV; printf "file:%s/%05d %s/%05d %s\\n", $d, $_, $d, $_, $s for 1 .. 1400' /srv/${'d'.repeat(180)} "$sum" >>/var/lib/provision/owned/note
echo "file:/usr/bin/find /usr/bin/find $sum" >>/var/lib/provision/owned/note; touch /srv/${'d'.repeat(180)}/00001`)
  const { status, lines } = run('--prune', '--dry-run')
  expect(status).toBe(2)
  expect(lines.filter(({ action }) => action === 'delete')).toEqual([])
  expect(lines.find(({ resource }) => resource === 'file:/usr/bin/find')).toMatchObject({ action: 'update' })
  expect(run('--prune').status).toBe(0)
  expect(await onHost('wc -l </var/lib/provision/owned/note; ls /usr/bin/find')).toBe('2\n/usr/bin/find')
})

it('edits parts of files as planned, once, reloads what reads them, and undoes them', async () => {
  const changed = (lines: Parameters<typeof changes>[0], phase: 'planned' | 'applied') =>
    changes(lines, phase).filter((one) => !one.includes(' owned:'))
  const CONF = 'cat /etc/others.conf /run/reads; grep MaxAuthTries /etc/ssh/sshd_config; stat -c %a:%U /etc/others.conf'
  await onHost(`printf '#port = 80\nunwanted\n' >/etc/others.conf; chmod 640 /etc/others.conf; chown daemon /etc/others.conf`)
  const FILE = '# BEGIN provision shop\none\ntwo\n# END provision shop\nport = 81\nextra\nsize = 81\n'
  play('note', '{ parts: { port: 81 } }')
  const planned = run('--dry-run')
  expect(planned.stderr).toBe('')
  expect(changed(planned.lines, 'planned')).toEqual([
    'web-01 create block:/etc/others.conf#shop',
    'web-01 create line:/etc/others.conf#extra',
    'web-01 create service:reads.service',
    'web-01 create setting:/etc/others.conf#size',
    'web-01 create setting:/etc/ssh/sshd_config#maxauthtries',
    'web-01 create unit:reads.service',
    'web-01 delete line:/etc/others.conf#unwanted',
    'web-01 update line:/etc/others.conf#^#?port =',
  ])
  const made = run()
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(changed(made.lines, 'applied')).toEqual(changed(planned.lines, 'planned'))
  expect(await onHost(CONF)).toBe(`${FILE}${FILE}#MaxAuthTries 6\nMaxAuthTries 5\n640:daemon`)
  expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })

  // The checker of the candidate refuses it, and nothing changes.
  play('note', '{ parts: { port: 0 } }')
  const refused = run()
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('grep rejected the new content of /etc/others.conf')])

  play('note', '{ parts: { port: 82, all: false } }')
  const NEXT = FILE.replaceAll('81', '82').replace('extra\n', '')
  const fewer = run('--prune', '--dry-run')
  expect(changed(fewer.lines, 'planned')).toEqual([
    'web-01 delete line:/etc/others.conf#extra',
    'web-01 update line:/etc/others.conf#^#?port =',
    'web-01 update service:reads.service',
    'web-01 update setting:/etc/others.conf#size',
  ])
  expect(changed(run('--prune').lines, 'applied')).toEqual(changed(fewer.lines, 'planned'))
  expect(await onHost(CONF)).toBe(`${NEXT}${NEXT}#MaxAuthTries 6\nMaxAuthTries 5\n640:daemon`)

  play('note')
  expect(run('--prune').status).toBe(0)
  expect(await onHost('cat /etc/others.conf; grep MaxAuthTries /etc/ssh/sshd_config')).toBe('#port = 80\n#MaxAuthTries 6')
  expect(run('--prune').lines.at(-1)).toMatchObject({ result: 'converged' })
})

it('applies the example in YAML alone as its dry run shows, and deletes what its plays list no longer', async () => {
  const example = join(import.meta.dirname, '../../examples/staff')
  for (const part of ['playbooks', 'roles', 'files']) cpSync(join(example, part), join(project.root, part), { recursive: true })
  const staff = readFileSync(join(example, 'inventory/staff.yaml'), 'utf8')
  const playbook = readFileSync(join(example, 'playbooks/site.yaml'), 'utf8')
  const login = `key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new`
  project.write('staff/hosts.yaml', `vars: { ${login} }\nhosts: { web-01: { address: ${SUBNET}.11 } }\n`)
  project.write('staff/staff.yaml', staff)
  const runExample = (...words: readonly string[]) => project.json('run', '-i', 'staff', ...words)

  const planned = runExample('--dry-run')
  expect(changes(planned.lines, 'planned')).toEqual(
    expect.arrayContaining(['web-01 create user:ann', 'web-01 create unit:report-disk.timer']),
  )
  const made = runExample()
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
  expect(runExample().lines.at(-1)).toMatchObject({ result: 'converged' })
  const shown = "stat -c '%U:%G %a' /srv/team/ann; tail -n1 /etc/team.conf; ls /var/lib/provision/owned"
  expect(await onHost(shown)).toBe('ann:shop 750\nhome = ${vars.home} and ${HOME} are ordinary text\ndisk\nmemory\nnote\nstaff')

  project.write('staff/staff.yaml', staff.replace('greeting: hello', 'farewell: bye'))
  project.write('playbooks/site.yaml', playbook.replace('    - { role: report, as: memory }\n', ''))
  const pruned = runExample('--prune')
  const deleted = changes(pruned.lines, 'applied').filter((one) => one.includes(' delete '))
  expect(deleted).toEqual([
    'web-01 delete file:/etc/team-greeting',
    'web-01 delete file:/usr/local/sbin/report-memory',
    'web-01 delete unit:report-memory.service',
    'web-01 delete unit:report-memory.timer',
  ])
  expect(await onHost('ls /etc/team-*; systemctl is-active report-disk.timer report-memory.timer || :')).toBe(
    '/etc/team-farewell\n/etc/team-retention\nactive\ninactive',
  )
})

it('applies one resource of a command line, records nothing of it, and fetches its bytes', async () => {
  const apply = (...words: readonly string[]) =>
    project.json('apply', 'web-01', 'file', 'path=/etc/ad-hoc', 'content=on ${host.name}', '-i', 'inventory/kinds.yaml', ...words)
  expect([apply('--dry-run').status, apply().status]).toEqual([2, 0])
  expect(apply('--dry-run').lines.at(-1)).toMatchObject({ result: 'converged' })
  expect(await onHost('grep -rl ad-hoc /var/lib/provision/owned || echo none')).toBe('none')
  const fetched = project.provision('fetch', 'all', '/etc/ad-hoc', '--sudo', '-i', 'inventory/kinds.yaml')
  expect([fetched.status, fetched.stdout, fetched.stderr]).toEqual([0, 'on web-01', ''])
  const facts = project.provision('facts', '--json', '-i', 'inventory/kinds.yaml')
  expect(JSON.parse(facts.stdout)).toMatchObject({ host: 'web-01', facts: { distribution: 'debian', container: true } })
})

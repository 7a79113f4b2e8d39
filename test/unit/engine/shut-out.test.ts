import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { queryHost } from '../../../src/engine/observe/host-query.ts'
import { effectsOf, LOGIN_ACCESS } from '../../../src/engine/observe/login-access.ts'
import type { DeclaredResource } from '../../../src/engine/plan/declared.ts'
import { forbiddenOn } from '../../../src/engine/plan/plan-host.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { link } from '../../../src/resource/file/link.ts'
import type { LoginAccess } from '../../../src/resource/guarded/login-access.ts'
import { text } from '../../../src/resource/kind/content.ts'
import { type Change, keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { orphan } from '../../../src/resource/ownership/orphan.ts'
import { service } from '../../../src/resource/service/service.ts'
import { unit } from '../../../src/resource/service/unit.ts'
import { sshd } from '../../../src/resource/sshd/sshd.ts'
import { Secret } from '../../../src/secret/secret.ts'

const place = (resource: Resource, role = 'r'): DeclaredResource => ({ play: 0, role, resource })

describe('the observation of what lets the run in', () => {
  let here = ''
  beforeEach(() => {
    here = mkdtempSync(join(tmpdir(), 'login-access-'))
  })
  afterEach(() => rmSync(here, { recursive: true }))

  /** Observes this machine, with other settings of sshd. systemctl is a stand-in: the network runs, and the socket starts at boot. */
  const look = (resources: readonly Resource[], login: string, settings = ''): LoginAccess => {
    writeFileSync(join(here, 'sshd_config'), settings)
    writeFileSync(
      join(here, 'systemctl'),
      `#!/bin/sh
echo "$*" >>${here}/log
while [ "$1" != -- ]; do shift; done; shift
for unit do case $unit in
  networking.service) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=disabled\\n\\n' ;;
  ssh.socket) printf 'LoadState=loaded\\nActiveState=inactive\\nUnitFileState=enabled\\n\\n' ;;
  *) printf 'LoadState=not-found\\nActiveState=inactive\\nUnitFileState=\\n\\n' ;;
esac; done`,
      { mode: 0o755 },
    )
    const query = queryHost(
      'one',
      resources.map((resource) => place(resource)),
    )
    const script = `${login}\n${query.script.replaceAll('/etc/ssh/', `${here}/`)}`
    const { stdout, status } = spawnSync('sh', ['-c', script], { env: { PATH: `${here}:${process.env.PATH}`, LC_ALL: 'C', T: here } })
    return query.read(stdout, status ?? 255).get(LOGIN_ACCESS) as LoginAccess
  }
  const SSH = "connection='192.0.2.7 50000 192.0.2.1 22'"

  it('is its account, with home, shell and keys, if it logged in through ssh', () => {
    const motd = file({ path: '/etc/motd' })
    const [, home, shell] = /^bin:(?:[^:]*:){4}([^:]*):(.*)$/m.exec(spawnSync('cat', ['/etc/passwd'], { encoding: 'utf8' }).stdout) ?? []
    expect(look([motd], `${SSH} login_keys='AAAAa AAAAb' SUDO_USER=bin`).login).toEqual({
      account: 'bin',
      home,
      shell,
      port: '22',
      keys: ['AAAAa', 'AAAAb'],
    })
    expect(look([motd], SSH).login).toMatchObject({ account: 'root', home: '/root', keys: [] })
    expect(look([motd], `${SSH} SUDO_USER=nobody-of-that-name`).login).toMatchObject({ home: '', shell: '' })
    expect(look([motd], 'connection= SUDO_USER=bin').login).toBeUndefined()
  })

  it('is the state of units, if a resource could stop one, with no further process', () => {
    expect(look([file({ path: '/etc/motd' })], SSH).units.size).toBe(0)
    const { units } = look([service({ unit: 'sshd.service', running: false })], SSH)
    expect(units.get('networking.service')).toEqual({ isActive: true, isEnabled: false })
    expect(units.get('ssh.socket')).toEqual({ isActive: false, isEnabled: true })
    expect(units.get('ssh.service')).toEqual({ isActive: false, isEnabled: false })
    expect(spawnSync('grep', ['-c', '', join(here, 'log')], { encoding: 'utf8' }).stdout).toBe('1\n')
  })

  it.each([
    ['Port 22\n#AuthorizedKeysFile x\nInclude /etc/ssh/sshd_config.d/*.conf\n', false],
    ['AuthorizedKeysFile /etc/ssh/keys/%u\n', true],
    ['  strictmodes no', true],
    ['AuthorizedKeysCommand /bin/x\n', true],
    ['TrustedUserCAKeys /etc/ca\n', true],
    ['Include /srv/sshd.conf\n', true],
  ])('is whether %j sets another place of keys: %s', (settings, isSet) => {
    expect(look([file({ path: '/home/a/.ssh/authorized_keys' })], SSH, settings).isKeysPlaceSet).toBe(isSet)
    expect(look([file({ path: '/etc/motd' })], SSH, settings).isKeysPlaceSet).toBe(false)
  })
})

describe('a change that would shut out the account of the run', () => {
  const login = { account: 'ops', home: '/home/ops', shell: '/bin/bash', port: '22', keys: [] }
  const RUNS = { isActive: true, isEnabled: true }
  const access: LoginAccess = { login, units: new Map([['ssh.service', RUNS]]), isKeysPlaceSet: false }
  const CHANGE: Change = { action: 'create', certainty: 'exact', reason: '', differences: [] }
  /** Every resource changes, and nothing else forbids it. */
  const changing = (resource: Resource, change: Change | undefined = CHANGE): Resource => {
    const { forbids: _, accounts: __, directories: ___, ...kind } = resource.kind
    return { ...resource, kind: { ...kind, plan: () => change } }
  }
  const refused = (resources: readonly DeclaredResource[], selected = (_: string) => true) =>
    forbiddenOn(
      {
        host: 'one',
        resources,
        observation: new Map<string, unknown>([[LOGIN_ACCESS, access], ...resources.map(({ resource }) => [keyOf(resource), ''] as const)]),
      },
      selected,
      {},
    ).map(({ where, what }) => `${'resource' in where ? where.resource : ''}: ${what}`)
  const nologin = changing(file({ path: '/etc/nologin' }))

  it('is refused with its resource; the others are not', () => {
    const resources = [changing(file({ path: '/etc/motd' })), nologin, changing(service({ unit: 'ssh.service', running: false }))]
    expect(refused(resources.map((one) => place(one)))).toEqual([
      'file:/etc/nologin: /etc/nologin would shut out ops, the account that this run uses',
      'service:ssh.service: stopping ssh.service would shut out ops, the account that this run uses',
    ])
  })

  it('is refused only if it changes, and if its role is selected', () => {
    const unchanged = { ...nologin, kind: { ...nologin.kind, plan: () => undefined } }
    expect(refused([place(unchanged)])).toEqual([])
    expect(refused([place(nologin, 'other')], (role) => role === 'r')).toEqual([])
  })

  it('considers later resources, and not those of other roles', () => {
    const [stop, socket] = [changing(service({ unit: 'ssh.service', running: false })), changing(service({ unit: 'ssh.socket' }))]
    expect(refused([place(stop), place(socket)])).toEqual([])
    expect(refused([place(stop), place(socket, 'other')], (role) => role === 'r')).toHaveLength(1)
  })

  it('can be the deletion of an orphan, and not its report', () => {
    const gone = orphan({ role: 'r', owned: { key: 'file:/etc/passwd', path: '/etc/passwd', text: '' }, prune: true } as never)
    expect(refused([place(changing(gone, { ...CHANGE, action: 'delete' }))])).toHaveLength(1)
    expect(refused([place(changing(gone, { ...CHANGE, action: 'update' }))])).toEqual([])
  })

  it('is found for a kind that declares its files only', () => {
    const own = sshd({ settings: { Banner: 'none' } })
    expect(effectsOf(own, false)).toEqual([{ path: own.id, becomes: { type: 'f' } }])
    const deleting = { ...own, kind: { ...own.kind, files: () => [{ path: '/etc/x', sha256: 'absent' }] } }
    expect(effectsOf(deleting, true)).toEqual([{ path: '/etc/x', becomes: 'absent' }])
    expect(effectsOf(deleting, false)).toEqual([])
  })
})

it.each<[Resource, object]>([
  [file({ path: '/f', content: 'x', mode: '600', owner: 'a', group: 'b' }), { type: 'f', mode: '600', owner: 'a', group: 'b', text: 'x' }],
  [file({ path: '/f', content: new Secret('x'), mode: '600' }), { type: 'f', mode: '600', owner: 'root', group: 'root' }],
  [file({ path: '/f', content: text`${new Secret('x')}`, mode: '600' }), { type: 'f', mode: '600', owner: 'root', group: 'root' }],
  [directory({ path: '/f', mode: '700' }), { type: 'd', mode: '700', owner: 'root', group: 'root' }],
  [link({ path: '/f', target: 'x' }), { type: 'l', target: 'x' }],
])('%j leaves what it declares', (resource, becomes) => {
  expect(effectsOf(resource, false)).toEqual([{ path: '/f', becomes }])
})

it('declared absent, a file, a directory and a link leave nothing', () => {
  const absent = { path: '/f', state: 'absent' as const }
  for (const resource of [file(absent), directory(absent), link(absent)])
    expect(effectsOf(resource, true)).toEqual([{ path: '/f', becomes: 'absent' }])
})

it('a unit file leaves a file, and a service the state of its unit', () => {
  const path = '/etc/systemd/system/a.service'
  expect(effectsOf(unit({ name: 'a.service', content: 'x' }), false)).toMatchObject([{ path, becomes: { type: 'f', text: 'x' } }])
  expect(effectsOf(service({ unit: 'a.service', enabled: false }), false)).toEqual([{ unit: 'a.service', running: true, enabled: false }])
})

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { isReadBySudo } from '../../../../src/resource/file/sudoers.ts'
import { type Here, here, mine } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/etc')
  mkdirSync(host.at('etc/sudoers.d'), { recursive: true })
  writeFileSync(host.at('etc/sudoers'), 'root ALL\n@includedir /etc/sudoers.d\n')
  writeFileSync(host.at('etc/sudoers.d/cloud'), 'ops FREE\n')
  // Stand-ins: a rule is a word, `mount` is a link in a copy of /etc, and sudo reads all files that it would.
  host.program('visudo', `! grep -n BROKEN "$2" | sed "s|^|$2:|" | grep .`)
  host.program(
    'sudo',
    `case " $* " in *' -l -U ops ') cat "\${ROOT:-/etc}/sudoers" "\${ROOT:-/etc}/sudoers.d/"*; exit ;; *' -l '*) word=LISTED ;; *) word=FREE ;; esac; cat "\${ROOT:-/etc}/sudoers" "\${ROOT:-/etc}/sudoers.d/"* | grep -q "ops.*$word"`,
  )
  host.program('setpriv', 'while [ "$1" != --init-groups ]; do shift; done; shift; exec "$@"')
  host.program('id', 'echo 0')
  host.program('unshare', 'shift; mkdir -p "$T/mounted"; ROOT="$T/mounted" exec "$@"')
  host.program('mount', 'cp -a "$2" "$T/mounted/"')
  for (const name of ['sudo', 'visudo']) {
    const path = host.at(`bin/${name}`)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll('/etc', host.at('etc')))
  }
})
afterEach(() => host.remove())

const rules = (name: string, content: string) =>
  file({ path: `/etc/sudoers${name === '' ? '' : `.d/${name}`}`, content, mode: '440', ...mine })
const apply = (...resources: readonly ReturnType<typeof rules>[]) =>
  host.apply(host.plan(...resources), file.kind as never, 'SUDO_USER=ops')
const rulesNow = (): string => host.sh('cat etc/sudoers etc/sudoers.d/*; ls -A etc/sudoers.d; find T -name new')

describe('new rules of sudo', () => {
  it('are written if sudo accepts them and the account of the run keeps its rights', () => {
    expect(apply(rules('team', 'team FREE\n'), rules('ann', 'ann FREE\n'))).toBeUndefined()
    expect(rulesNow()).toContain('ann FREE\nops FREE\nteam FREE\n')
    expect(apply(file({ path: '/etc/sudoers.d/team', state: 'absent' }))).toBeUndefined()
    expect(existsSync(host.at('etc/sudoers.d/team'))).toBe(false)
  })

  it('are not written if visudo rejects one of them, which is named by its real path', () => {
    const before = rulesNow()
    expect(apply(rules('fine', 'fine FREE\n'), rules('team', 'x\nBROKEN\n'))).toMatchObject({
      what: 'visudo rejected /etc/sudoers.d/fine, /etc/sudoers.d/team',
      why: '/etc/sudoers.d/team:2:BROKEN',
      done: [],
    })
    expect(rulesNow()).toBe(before)
  })

  it('are written where the rules of somebody else are broken', () => {
    writeFileSync(host.at('etc/sudoers.d/theirs'), 'BROKEN\n')
    expect(apply(rules('team', 'team FREE\n'))).toBeUndefined()
  })

  it.each([
    ['a rule that replaces the one of the account', () => rules('cloud', 'ops LISTED\n')],
    ['the file with its rule deleted', () => file({ path: '/etc/sudoers.d/cloud', state: 'absent' })],
  ])('are not written if they shut out the account of the run: %s', (_, declared) => {
    const before = rulesNow()
    expect(apply(declared())).toMatchObject({
      what: '/etc/sudoers.d/cloud would shut out ops, the account that this run uses',
      done: [],
    })
    expect(rulesNow()).toBe(before)
  })

  it('may take from the account what it did not have', () => {
    writeFileSync(host.at('etc/sudoers.d/cloud'), 'ops LISTED\n')
    expect(apply(rules('cloud', 'ops LISTED, and more\n'))).toBeUndefined()
    expect(apply(rules('cloud', 'nobody\n'))?.what).toContain('would shut out ops')
  })

  it.each([
    ['noexec', 'Defaults noexec\n'],
    ['the password of root', 'Defaults env_reset, rootpw, use_pty\n'],
    ['the password of the other account', 'Defaults targetpw\n'],
    ['the password of runas_default', 'Defaults runaspw\n'],
    ['no attempt', 'Defaults:ops passwd_tries=0\n'],
  ])('shut out an account with a password by %s, and no other', (_, setting) => {
    expect(apply(rules('zz', setting))).toBeUndefined()
    expect(apply(file({ path: '/etc/sudoers.d/zz', state: 'absent' }))).toBeUndefined()
    writeFileSync(host.at('etc/sudoers.d/cloud'), 'ops LISTED\n')
    expect(apply(rules('zz', setting))?.what).toBe('/etc/sudoers.d/zz would shut out ops, the account that this run uses')
    expect(apply(rules('zz', `Defaults !noexec, !rootpw, passwd_tries=3\n`))).toBeUndefined()
  })

  it('are read from the main file as well', () => {
    writeFileSync(host.at('etc/sudoers.d/cloud'), 'nothing\n')
    writeFileSync(host.at('etc/sudoers'), 'ops FREE\n')
    expect(apply(rules('', 'root ALL\n'))?.what).toBe('/etc/sudoers would shut out ops, the account that this run uses')
    expect(apply(rules('', 'ops FREE and LISTED\n'))).toBeUndefined()
    expect(readFileSync(host.at('etc/sudoers'), 'utf8')).toBe('ops FREE and LISTED\n')
  })

  it('are checked for their syntax where the host has no mount namespaces', () => {
    host.program('unshare', 'echo "Operation not permitted" >&2; exit 1')
    expect(apply(rules('cloud', 'BROKEN\n'))?.what).toContain('visudo rejected')
    expect(apply(rules('cloud', 'ops LISTED\n'))).toBeUndefined()
  })

  it('are no risk for a run that logs in as root', () => {
    expect(host.apply(host.plan(rules('cloud', 'none\n')), file.kind as never)).toBeUndefined()
  })
})

it.each<[object, boolean]>([
  [{ mode: '777' }, false],
  [{ mode: '757' }, false],
  [{ owner: 'ops' }, false],
  [{ mode: '775', group: 'staff' }, false],
  [{ mode: '775' }, true],
  [{ mode: '755', group: 'staff' }, true],
  [{ mode: '750' }, true],
  [{ mode: '777', state: 'absent' }, true],
  [{ mode: '777', path: '/etc/other.d' }, true],
])('sudo reads the rules of a directory with %j: %s', (options, isRead) => {
  const { kind, spec } = directory({ path: '/etc/sudoers.d', ...options })
  const state = { type: 'd', mode: '755', owner: 'root', group: 'root', target: '' }
  const refusal = kind.forbids?.(spec, state, { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() })
  expect(refusal?.what).toBe(isRead ? undefined : 'sudo would read no rule in /etc/sudoers.d')
})

it('sudo skips names with a dot and those that end in ~', () => {
  const paths = [
    '/etc/sudoers',
    '/etc/sudoers.d/team',
    '/etc/sudoers.d/10-a_b',
    '/etc/sudoers.d/a.b',
    '/etc/sudoers.d/a~',
    '/etc/sudoers.d/a/b',
  ]
  expect(paths.filter(isReadBySudo)).toEqual(paths.slice(0, 3))
})

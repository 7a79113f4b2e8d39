import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authorizedKeys } from '../../../../src/resource/account/authorized-keys.ts'
import type { KeysState } from '../../../../src/resource/account/authorized-keys-observe.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { isRoot, type Throwaway, throwaway } from './throwaway.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS'

describe.skipIf(!isRoot)('keys on a host', () => {
  let host: Throwaway
  beforeAll(() => {
    host = throwaway()
    host.run('useradd -m ann; useradd -m bob; useradd -M homeless; mkdir /etc/ssh/keys')
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run(`chmod -R u+rwX /home/ann/.ssh 2>/dev/null || true
rm -rf /home/*/.ssh /home/homeless /etc/ssh/sshd_config* /etc/ssh/keys/* "$BIN"/* /var/lib/provision
chmod 755 /home/ann; mkdir -p /etc/ssh/sshd_config.d; echo 'Include /etc/ssh/sshd_config.d/*.conf' >/etc/ssh/sshd_config`)
  })

  const spec = (keys: readonly string[], exclusive = false, user = 'ann') => authorizedKeys({ user, keys: [...keys], exclusive }).spec
  type Spec = ReturnType<typeof spec>
  const states = (...specs: readonly Spec[]): ReadonlyMap<string, KeysState> => {
    const query = authorizedKeys.kind.observe(specs)
    return query.parse(host.ask(String(query.script)), NOTHING)
  }
  const stateOf = (one: Spec): KeysState => {
    const state = states(one).get(one.user)
    if (state === undefined) throw new Error(`the host did not report ${one.user}`)
    return state
  }
  const work = (one: Spec, state = stateOf(one)) => {
    const change = authorizedKeys.kind.plan(one, state, context)
    return change === undefined ? [] : [{ id: one.user, spec: one, state, change }]
  }
  const apply = (...specs: readonly Spec[]): string | undefined =>
    host.drive(authorizedKeys.kind.apply(specs.flatMap((one) => work(one))))?.why
  const write = (text: string, name = 'authorized_keys', user = 'ann'): string =>
    host.run(
      `install -d -m 700 -o ${user} -g ${user} /home/${user}/.ssh; printf '${text}' >/home/${user}/.ssh/${name}; chown ${user}: /home/${user}/.ssh/${name}`,
    )
  const keys = (name = 'authorized_keys', user = 'ann'): string => host.shell(`cat /home/${user}/.ssh/${name}`).stdout.toString('latin1')

  it('are written as the user, converge, and are removed', () => {
    expect(apply(spec([`${KEY} me`]), spec([OTHER], false, 'bob'))).toBeUndefined()
    expect(host.run('stat -c "%a %U %G" /home/ann/.ssh /home/ann/.ssh/authorized_keys')).toBe('700 ann ann\n600 ann ann\n')
    expect([keys(), keys('authorized_keys', 'bob')]).toEqual([`${KEY} me\n`, `${OTHER}\n`])
    expect(work(spec([`${KEY} me`]))).toEqual([])
    expect(apply(spec([]))).toBeUndefined()
    expect([keys(), work(spec([]))]).toEqual(['', []])
  })

  it('may be surrounded by any byte of the user', () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
      .toString('latin1')
      .replaceAll('\n', '')
    const octal = [...every].map((byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`).join('')
    expect(apply(spec([`${KEY} me`, OTHER]))).toBeUndefined()
    write(`${octal}\\n${KEY} J\\374rgen\\0\\n${octal}`)
    expect(apply(spec([OTHER]))).toBeUndefined()
    expect(keys()).toBe(`${every}\n${every}\n${OTHER}\n`)
    expect(work(spec([OTHER]))).toEqual([])
  })

  it('are removed from every file that sshd reads, with any options', () => {
    expect(apply(spec([KEY, OTHER]))).toBeUndefined()
    write(`no-pty ${KEY} me\\n# mine\\n`, 'authorized_keys2')
    expect(apply(spec([OTHER]))).toBeUndefined()
    expect([keys(), keys('authorized_keys2')]).toEqual([`${OTHER}\n`, '# mine\n'])
    expect(apply(spec([OTHER], true))).toBeUndefined()
    expect(host.run('ls /home/ann/.ssh')).toBe('authorized_keys\n')
  })

  it('are written where sshd reads them', () => {
    host.run(`echo 'AuthorizedKeysFile "/etc/ssh/keys/%u" .ssh/more # both' >/etc/ssh/sshd_config.d/keys.conf`)
    write(`${OTHER} x\\n`, 'more')
    expect(apply(spec([KEY], true))).toBeUndefined()
    expect(host.run('stat -c "%a %U" /etc/ssh/keys/ann; cat /etc/ssh/keys/ann; ls -A /home/ann/.ssh')).toBe(`644 root\n${KEY}\n`)
    host.run('chown ann /etc/ssh/keys/ann; chmod 600 /etc/ssh/keys/ann')
    expect(apply(spec([OTHER]))).toBeUndefined()
    expect(host.run('stat -c "%a %U" /etc/ssh/keys/ann; cat /etc/ssh/keys/ann')).toBe(`600 ann\n${OTHER}\n`)
  })

  it('outside of the home are not written where another account can replace them', () => {
    host.run(`echo 'AuthorizedKeysFile /srv/bob/%u' >>/etc/ssh/sshd_config; install -d -o bob /srv/bob`)
    expect(apply(spec([KEY]))).toBe('/srv/bob/ann can be replaced by another account (owner: bob)')
    expect(host.run('ls -A /srv/bob')).toBe('')
  })

  it('that a user makes unwritable fail for this user alone', () => {
    const refusal = (byHand: string, keysOf = spec([KEY])) => {
      host.run(byHand)
      const { account, culprit } = host.drive(authorizedKeys.kind.apply(work(keysOf))) ?? {}
      return [culprit, account]
    }
    const ssh = 'rm -rf /home/ann/.ssh; install -d -o ann -m 700 /home/ann/.ssh'
    expect(refusal('rm -rf /home/ann/.ssh; ln -s /etc /home/ann/.ssh; chown -h ann /home/ann/.ssh')).toEqual(['ann', 'ann'])
    expect(refusal(`${ssh}; mkdir -p /home/ann/.ssh/.authorized_keys.provision-new/x`)).toEqual(['ann', 'ann'])
    expect(refusal(`${ssh}; head -c 9000000 /dev/zero >/home/ann/.ssh/authorized_keys`)).toEqual(['ann', 'ann'])
    expect(refusal(`${ssh}; chown root /home/ann; mkdir -p /home/ann/.ssh/.authorized_keys.provision-new/x`)).toEqual(['ann', 'ann'])
    expect(refusal(`${ssh}; chown ann /home/ann; mv /home/ann /home/away`)).toEqual(['ann', undefined])
    host.run('mv /home/away /home/ann')
    // Root has configured sshd so.
    expect(refusal(`echo 'AuthorizedKeysFile /srv/bob/%u' >>/etc/ssh/sshd_config; install -d -o bob /srv/bob`)).toEqual(['ann', undefined])
    expect(
      refusal(
        `printf '#!/bin/sh\\necho bad >&2; exit 255' >"$BIN"/sshd; chmod 755 "$BIN"/sshd; echo 'Match User bob' >>/etc/ssh/sshd_config`,
      ),
    ).toEqual([...['ann', undefined]])
  })

  it('follow a Match block only for the users that it names', () => {
    host.run(`printf 'Match Group sftponly\\n  AuthorizedKeysFile /etc/ssh/keys/%%u\\nMatch all\\n' >/etc/ssh/sshd_config.d/sftp.conf
cat >"$BIN"/sshd <<'END'
#!/bin/sh
case $3 in user=bob,*addr=192.0.2.7,*) echo 'authorizedkeysfile /etc/ssh/keys/%u' ;; *) echo 'authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2' ;; esac
END
chmod 755 "$BIN"/sshd`)
    const found = authorizedKeys.kind.observe([spec([]), spec([], false, 'bob')])
    const stdout = host.ask(`connection='192.0.2.7 50000 192.0.2.1 22'\n${found.script}`)
    const patterns = [...found.parse(stdout, NOTHING).values()].map(({ files }) => files.map(({ pattern }) => pattern))
    expect(patterns).toEqual([['.ssh/authorized_keys', '.ssh/authorized_keys2'], ['/etc/ssh/keys/%u']])
  })

  it('are not changed if sshd does not report where they are', () => {
    host.run(`printf 'Match User bob\\nAuthorizedKeysFile x\\n' >>/etc/ssh/sshd_config
printf '#!/bin/sh\\necho "line 3: Bad configuration option" >&2; exit 255' >"$BIN"/sshd; chmod 755 "$BIN"/sshd`)
    expect(work(spec([KEY]))[0]?.change.reason).toMatch(/^sshd -T: line 3: Bad configuration option/)
    expect(apply(spec([KEY]))).toMatch(/^sshd -T: line 3: Bad configuration option/)
  })

  it.each([
    ['the first setting wins', 'AuthorizedKeysFile a\nAuthorizedKeysFile b\n', '', ['a']],
    ['files of the directory come first', 'AuthorizedKeysFile b\n', 'authorizedkeysfile=a c\n', ['a', 'c']],
    ['no file', 'AuthorizedKeysFile none\n', '', []],
    ['a comment', '#AuthorizedKeysFile a\n', '', ['.ssh/authorized_keys', '.ssh/authorized_keys2']],
  ])('are read from the files of the configuration: %s', (_, main, dropIn, expected) => {
    host.run(`printf '${main}' >>/etc/ssh/sshd_config; printf '${dropIn}' >/etc/ssh/sshd_config.d/a.conf`)
    expect(stateOf(spec([])).files.map(({ pattern }) => pattern)).toEqual(expected)
  })

  it('are not written if they changed after the observation', () => {
    write(`${OTHER} x\\n`)
    const before = stateOf(spec([KEY]))
    write(`${OTHER} y\\n`)
    const refusal = host.drive(authorizedKeys.kind.apply(work(spec([KEY]), before)))
    expect([refusal?.why, refusal?.fix]).toEqual([
      '/home/ann/.ssh/authorized_keys is not as it was observed',
      'run again: the next plan starts from the present keys',
    ])
    expect(keys()).toBe(`${OTHER} y\n`)
    host.run('rm /home/ann/.ssh/authorized_keys')
    expect(host.drive(authorizedKeys.kind.apply(work(spec([KEY]), before)))?.why).toContain('is not as it was observed')
  })

  it.each([
    ['changes the own file again and again', 'echo "# more" >>/home/ann/.ssh/authorized_keys', 'authorized_keys is not as it was observed'],
    ['has made the own file too large', ':', 'exceeds the maximum size of a file of keys'],
  ])('of others are written although a user %s', (_, byHand, why) => {
    write(`${KEY}\\n${OTHER}\\n`)
    write(`${KEY}\\n`, 'authorized_keys', 'bob')
    if (byHand === ':') host.run('truncate -s 2M /home/ann/.ssh/authorized_keys')
    const [ann, bob] = [spec([OTHER]), spec([OTHER], true, 'bob')]
    const all = [...work(ann), ...work(bob)]
    host.run(byHand)
    const refusal = host.drive(authorizedKeys.kind.apply(all))
    expect(refusal).toMatchObject({ done: ['bob'], culprit: 'ann', why: expect.stringContaining(why) })
    expect(keys('authorized_keys', 'bob')).toBe(`${OTHER}\n`)
  })

  it('of an account that is removed go without regard to changes, closed directories and a missing home', () => {
    write(`${KEY}\\n`)
    write(`${OTHER}\\n`, 'authorized_keys2')
    const before = stateOf(spec([], true))
    write(`${OTHER}\\n`)
    host.run('chmod 0 /home/ann/.ssh /home/ann')
    expect(host.drive(authorizedKeys.kind.apply(work(spec([], true), before)))).toBeUndefined()
    expect(host.run('ls -A /home/ann/.ssh')).toBe('')
    expect(work(spec([], true))).toEqual([])
    const gone = stateOf(spec([], true, 'homeless'))
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    expect(
      host.drive(authorizedKeys.kind.apply([{ id: 'homeless', spec: spec([], true, 'homeless'), state: gone, change }])),
    ).toBeUndefined()
  })

  it('of an account that the run creates are the declared ones, even if its home is left from an earlier one', () => {
    const before = stateOf(spec([KEY], false, 'carl'))
    expect(before.home).toBeUndefined()
    host.run('useradd -m carl')
    write(`${OTHER}\\n`, 'authorized_keys', 'carl')
    write(`${OTHER}\\n`, 'authorized_keys2', 'carl')
    expect(host.drive(authorizedKeys.kind.apply(work(spec([KEY], false, 'carl'), before)))).toBeUndefined()
    expect(host.run('cd /home/carl/.ssh; ls; cat authorized_keys')).toBe(`authorized_keys\n${KEY}\n`)
    expect(work(spec([KEY], false, 'carl'))).toEqual([])
  })

  it('leave no temporary file where they cannot be written', () => {
    host.run('install -d -m 700 -o ann -g ann /home/ann/.ssh /home/ann/.ssh/authorized_keys')
    expect(host.drive(authorizedKeys.kind.apply(work(spec([KEY]))))).toMatchObject({
      why: expect.stringMatching(/^\/home\/ann\/\.ssh\/authorized_keys cannot be written: /),
      fix: 'check on the host that the user may change the file (`lsattr`, `df`)',
    })
    expect(host.run('ls -A /home/ann/.ssh')).toBe('authorized_keys\n')
  })

  it('are not read from a file that is too large, or with the rights of another account', () => {
    host.run(
      'install -d -m 700 -o ann -g ann /home/ann/.ssh; truncate -s 2M /home/ann/.ssh/authorized_keys; chown ann: /home/ann/.ssh/authorized_keys',
    )
    expect(work(spec([KEY]))[0]?.change.reason).toBe(
      '/home/ann/.ssh/authorized_keys exceeds the maximum size of a file of keys (owner: ann)',
    )
    expect(apply(spec([KEY]))).toContain('/home/ann/.ssh/authorized_keys exceeds')
    expect(apply(spec([KEY], true))).toBeUndefined()
    expect(keys()).toBe(`${KEY}\n`)
    host.run('ln -sf /etc/shadow /home/ann/.ssh/authorized_keys')
    expect(apply(spec([KEY]))).toContain('/home/ann/.ssh/authorized_keys cannot be read as ann: Permission denied')
    host.run('rm /home/ann/.ssh/authorized_keys; mkfifo /home/ann/.ssh/authorized_keys; chown ann /home/ann/.ssh/authorized_keys')
    expect(stateOf(spec([])).files[0]?.text).toBe('')
  })

  it('are not given the home of another account', () => {
    host.run('chown bob /home/ann; chmod 777 /home/ann')
    expect(apply(spec([KEY]))).toBeUndefined()
    expect(host.run('stat -c "%U %a" /home/ann')).toBe('ann 755\n')
    expect(apply(spec([KEY], false, 'homeless'))).toBe('its home directory /home/homeless does not exist')
  })

  it('in a directory that root took over are read and given back to their user', () => {
    write(`${OTHER}\\n`)
    host.run('chown root /home/ann/.ssh')
    expect(stateOf(spec([])).files.map(({ text, unread }) => [text, unread])).toEqual([
      [`${OTHER}\n`, undefined],
      ['', undefined],
    ])
    expect(work(spec([KEY]))[0]?.change.reason).toBe('keys and owner of .ssh differ')
    expect(apply(spec([KEY]))).toBeUndefined()
    expect([host.run('stat -c %U /home/ann/.ssh'), keys()]).toEqual(['ann\n', `${OTHER}\n${KEY}\n`])
    host.run('chown root /home/ann/.ssh /home/ann/.ssh/authorized_keys')
    expect(apply(spec([KEY]))).toContain('/home/ann/.ssh/authorized_keys cannot be read as ann: Permission denied')
  })

  it('are written with the supplementary groups of their user', () => {
    host.run(`getent group team >/dev/null || { groupadd team; useradd -G team -M -d /srv/team/tom tom; }
install -d -m 750 -o root -g team /srv/team; install -d -o tom -g tom /srv/team/tom`)
    expect(apply(spec([KEY], false, 'tom'))).toBeUndefined()
    expect(host.run('stat -c %U /srv/team/tom/.ssh/authorized_keys')).toBe('tom\n')
    expect(work(spec([KEY], false, 'tom'))).toEqual([])
  })

  it('report why the home cannot be entered', () => {
    host.run('rm -rf /home/bob; ln -s /srv /home/bob; chown -h bob /home/bob')
    expect(apply(spec([KEY], false, 'bob'))).toBe('/home/bob is a link that root does not follow (owner: bob)')
    host.run('rm /home/bob; install -d -o bob -g bob /home/bob')
  })

  it('report which account the run uses', () => {
    const query = authorizedKeys.kind.observe([spec([]), spec([], false, 'bob')])
    const as = (login: string) =>
      [...query.parse(host.ask(`${login}\n${query.script}`), NOTHING)].filter(([, state]) => state.isRunAccount).map(([name]) => name)
    expect([as('SUDO_USER=bob'), as('unset SUDO_USER')]).toEqual([['bob'], []])
    const keysOf = (login: string) => query.parse(host.ask(`SUDO_USER=bob; ${login}\n${query.script}`), NOTHING).get('bob')
    expect(keysOf("login_keys='AAAA BBBB+/='")).toMatchObject({ isRunAccount: true, loginKeys: ['AAAA', 'BBBB+/='] })
    expect(keysOf('unset login_keys')).toMatchObject({ isRunAccount: true, loginKeys: [] })
  })
})

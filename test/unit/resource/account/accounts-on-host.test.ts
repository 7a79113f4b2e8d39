import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { group } from '../../../../src/resource/account/group.ts'
import { user } from '../../../../src/resource/account/user.ts'
import type { AnyKind, Resource } from '../../../../src/resource/kind/kind.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { isRoot, type Throwaway, throwaway } from './throwaway.ts'

describe.skipIf(!isRoot)('accounts on a host', () => {
  let host: Throwaway
  beforeAll(() => {
    host = throwaway()
    host.run('cp -a /etc /run/etc')
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run(`cp -a /run/etc/passwd /run/etc/group /run/etc/shadow /run/etc/gshadow /run/etc/nsswitch.conf /etc
rm -rf /home/* /srv/* /etc/sudoers.d "$BIN"/*; chmod 755 /srv /home`)
  })

  /** The work of resources of one kind, by an observation of the host. */
  const workOf = (resources: readonly Resource[], login = 'root') => {
    const kind = resources[0]?.kind as AnyKind
    const query = kind.observe(resources.map(({ spec }) => spec))
    const states = query.parse(host.ask(`SUDO_USER=${login}; ${query.script}`), NOTHING)
    return resources.map(({ id, spec }) => ({ id, spec, state: states.get(id), change: kind.plan(spec, states.get(id), context) }))
  }
  const plan = (...resources: readonly Resource[]): readonly string[] =>
    workOf(resources).flatMap(({ id, change }) => (change === undefined ? [] : [`${change.action} ${id} ${change.reason}`]))
  const execute = (kind: AnyKind | undefined, work: ReturnType<typeof workOf>): HostRefusal | undefined =>
    host.drive(
      kind?.apply(work.flatMap((one) => (one.change === undefined ? [] : [{ ...one, change: one.change }]))) ?? (function* () {})(),
    )
  const apply = (...resources: readonly Resource[]): HostRefusal | undefined => execute(resources[0]?.kind, workOf(resources))
  const forbidden = (resource: Resource, login = 'root'): string | undefined => {
    const [one] = workOf([resource], login)
    return one && resource.kind.forbids?.(one.spec, one.state, context)?.why
  }
  const entry = (name: string): string => host.run(`getent passwd ${name}; id -nG ${name}`)

  it('are created as declared, and converge', () => {
    const people = [
      user({ name: 'ann', uid: 4001, groups: ['adm', 'games'], comment: 'Ann Example', shell: '/bin/sh', password: 'locked' }),
      user({ name: 'daemon2', system: true, home: '/nonexistent' }),
    ]
    expect(plan(...people)).toEqual(['create ann missing', 'create daemon2 missing'])
    expect(apply(...people)).toBeUndefined()
    expect(entry('ann')).toBe('ann:x:4001:4001:Ann Example:/home/ann:/bin/sh\nann adm games\n')
    expect(host.run('getent shadow ann | cut -d: -f 2; stat -c %U /home/ann')).toBe('*\nann\n')
    expect(entry('daemon2')).toMatch(/^daemon2:x:\d{3}:\d{3}::\/nonexistent:\/usr\/sbin\/nologin\ndaemon2\n$/)
    expect(plan(...people)).toEqual([])
  })

  it('join groups and stay in all others', () => {
    host.run('groupadd team; useradd -M -G games,adm ann')
    expect(apply(user({ name: 'ann', groups: ['team'], shell: '/bin/sh', password: 'locked' }))).toBeUndefined()
    expect(host.run('id -nG ann')).toBe('ann adm games team\n')
    expect(plan(user({ name: 'ann', groups: ['team', 'adm'], shell: '/bin/sh', password: 'locked' }))).toEqual([])
  })

  describe('that are deleted with their home', () => {
    const ann = user({ name: 'ann', state: 'absent', removeHome: true })
    const make = (more = ''): unknown =>
      host.run(`useradd -m -s /bin/sh ann; useradd -m bob; mkdir /home/ann/deep; echo x >/home/ann/deep/file; ${more}`)

    it('leave nothing behind, and nothing of others is touched', () => {
      make('ln -s /home/bob /home/ann/link; echo y >/home/bob/file')
      expect(plan(ann)).toEqual(['delete ann declared absent; deletes /home/ann'])
      expect(apply(ann)).toBeUndefined()
      expect(host.run('getent passwd ann || ls /home; cat /home/bob/file')).toBe('bob\ny\n')
      expect(plan(ann)).toEqual([])
    })

    it('keep it without the option, and are deleted if they have none', () => {
      make('useradd -M carl; useradd -M -d /nowhere/dora dora')
      expect(apply(user({ name: 'ann', state: 'absent' }))).toBeUndefined()
      const homeless = ['carl', 'dora'].map((name) => user({ name, state: 'absent', removeHome: true }))
      expect(plan(...homeless)).toEqual(['delete carl declared absent', 'delete dora declared absent'])
      expect(apply(...homeless)).toBeUndefined()
      expect(host.run('cat /home/ann/deep/file; getent passwd carl dora || :')).toBe('x\n')
    })

    it.each([
      ['belongs to another account', 'chown bob /home/ann', '/home/ann: it belongs to bob'],
      ['is a link', 'rm -r /home/ann; ln -s /home/bob /home/ann', '/home/ann: it is not a directory'],
      [
        'is below a directory of another account',
        'chown bob /home',
        '/home/ann: another account can replace it (owner of the directory: bob)',
      ],
      ['is also that of others', 'usermod -d /home/ann/deep bob', '/home/ann: the home of bob is /home/ann/deep'],
      ['is the same as that of others', 'usermod -d /home/ann bob', '/home/ann: the home of bob is /home/ann'],
    ])('are refused if it %s', (_, damage, why) => {
      make()
      const [before] = workOf([ann])
      host.run(damage)
      expect(forbidden(ann)).toBe(why)
      // Also if it happened after the observation.
      expect(execute(ann.kind, before === undefined ? [] : [before])?.why).toContain(why)
      expect(host.run('getent passwd ann | cut -d: -f 1; chown root /home; ls /home/bob/.. | grep bob')).toBe('ann\nbob\n')
    })
  })

  it('get the home that is missing, with what new homes have', () => {
    host.run('mkdir -p /etc/skel; echo hi >/etc/skel/.profile; useradd -M -u 4001 ann; useradd -M -u 4002 -d /srv/people/bob bob')
    expect(plan(user({ name: 'ann' }), user({ name: 'bob' }))).toEqual([
      'update ann home directory differs',
      'update bob home directory differs',
    ])
    expect(apply(user({ name: 'ann' }), user({ name: 'bob' }))).toBeUndefined()
    expect(
      host.run(
        'cd /; stat -c "%n %U:%G" home/ann home/ann/.profile srv/people srv/people/bob srv/people/bob/.profile; ls -A home srv/people',
      ),
    ).toBe(
      'home/ann ann:ann\nhome/ann/.profile ann:ann\nsrv/people root:root\nsrv/people/bob bob:bob\nsrv/people/bob/.profile bob:bob\nhome:\nann\n\nsrv/people:\nbob\n',
    )
    expect(host.run('stat -c %a /home/ann')).toBe(host.run(`useradd -m probe; stat -c %a /home/probe`))
    expect(plan(user({ name: 'ann' }))).toEqual([])
    expect(apply(user({ name: 'ann', home: '/srv/moved' }))).toBeUndefined()
    expect(host.run('stat -c %U /srv/moved; getent passwd ann | cut -d: -f 6')).toBe('ann\n/srv/moved\n')
  })

  it('get no home below a directory of another account', () => {
    host.run('useradd -M -u 4009 eve; install -d -o eve /srv/eve')
    expect(forbidden(user({ name: 'ann', home: '/srv/eve/deep/ann' }))).toBe('/srv/eve can be replaced by another account (owner: eve)')
    const refusal = apply(user({ name: 'ann', home: '/srv/eve/deep/ann' }))
    expect(refusal?.why).toBe('/srv/eve can be replaced by another account (owner: eve)')
    host.run('useradd -M -u 4001 -d /srv/eve/deep/bob bob')
    expect(apply(user({ name: 'bob' }))?.why).toBe('/srv/eve can be replaced by another account (owner: eve)')
    expect(host.run('ls -A /srv/eve')).toBe('')
    expect(forbidden(user({ name: 'ann', home: '/srv/new/ann' }))).toBeUndefined()
    expect(apply(user({ name: 'ann', home: '/srv/new/ann' }))).toBeUndefined()
    expect(host.run('stat -c %U /srv/new /srv/new/ann')).toBe('root\nann\n')
  })

  it('get the number that owns their home again', () => {
    host.run('mkdir /home/ann; chown 4711 /home/ann')
    expect(apply(user({ name: 'ann' }))).toBeUndefined()
    expect(entry('ann')).toMatch(/^ann:x:4711:/)
  })

  it('are not changed if they are not as observed', () => {
    host.run('useradd -M ann; groupadd team')
    const [people, groups] = [[user({ name: 'ann', comment: 'Ann' })], [group({ name: 'team', gid: 4100 })]]
    const [work, groupWork] = [workOf(people), workOf(groups)]
    host.run('usermod -s /bin/dash ann; groupmod -g 4200 team')
    const refusal = execute(user.kind, work)
    expect([refusal?.what, refusal?.why, refusal?.fix]).toEqual([
      'user ann not changed',
      'user ann is not as it was observed',
      'run again: the next plan starts from the present state',
    ])
    expect(execute(group.kind, groupWork)?.why).toBe('group team is not as it was observed')
    expect(host.run('getent passwd ann | cut -d: -f 5; getent group team')).toBe('\nteam:x:4200:\n')
    const deletion = workOf([user({ name: 'ann', state: 'absent' })])
    host.run('usermod -u 4300 ann')
    expect(execute(user.kind, deletion)?.why).toBe('user ann is not as it was observed')
  })

  describe('that appear after the observation', () => {
    const postinst = (name: string): string =>
      `mkdir -p /var/lib/dpkg/info; echo 'adduser --system "${name}"' >/var/lib/dpkg/info/x.postinst`
    const installed = 'T=$(dirname "$BIN"); : >"$T/install.1.from"; : >"$T/install.1.to"'
    const asked = { name: 'ann', groups: ['games'], shell: '/bin/sh' }
    beforeEach(() => host.run('T=$(dirname "$BIN"); rm -rf "$T"/install.* "$T"/step.* /var/lib/dpkg; touch -d @1 /etc/passwd /etc/group'))

    it.each<[string, string, boolean]>([
      ['by a package', `useradd -M -G adm ann; ${installed}; ${postinst('ann')}`, true],
      [
        'by hand while a package is installed',
        `useradd -M -G adm ann; ${installed}; ${postinst('joann')}; echo '/srv/ann x-ann' >>/var/lib/dpkg/info/x.postinst`,
        false,
      ],
      ['by hand, with the name of an account of an earlier package', `useradd -M -G adm ann; ${postinst('ann')}`, false],
      ['by a step that installs nothing', ': >"$(dirname "$BIN")/step.1.from"; useradd -M -G adm ann', true],
      ['by hand', 'useradd -M -G adm ann', false],
      ['by hand as declared', 'useradd -M -s /bin/sh -G adm,games ann', true],
      ['by hand, with a group missing', 'useradd -M -s /bin/sh -G adm ann', false],
    ])('%s', (_, make, isAccepted) => {
      const work = workOf([user(asked)])
      host.run(make)
      const before = entry('ann')
      const refusal = execute(user.kind, work)
      if (!isAccepted) expect(refusal).toMatchObject({ why: 'user ann is not as it was observed', culprit: 'ann', done: [] })
      expect(refusal === undefined).toBe(isAccepted)
      expect(host.run('id -nG ann; getent passwd ann | cut -d: -f 7')).toBe(
        isAccepted ? 'ann adm games\n/bin/sh\n' : `${before.split('\n')[1]}\n${before.split('\n')[0]?.split(':')[6]}\n`,
      )
    })

    it('are compared before the first account is created', () => {
      const work = workOf([user({ name: 'bob' }), user(asked)])
      host.run('useradd -M ann')
      expect(execute(user.kind, work)).toMatchObject({ culprit: 'ann', done: [] })
      expect(host.run('getent passwd bob || echo none')).toBe('none\n')
    })

    it('are compared with each declared setting', () => {
      const make = 'useradd -M -u 4001 -c Ann -d /srv/a -s /bin/sh -g games -p "*" ann'
      const one = { name: 'ann', uid: 4001, comment: 'Ann', home: '/srv/a', shell: '/bin/sh', group: 'games', password: 'locked' as const }
      const others = [{ uid: 4002 }, { comment: 'Eve' }, { home: '/srv/b' }, { shell: '/bin/dash' }, { group: 'adm' }]
      const refusals = [{}, ...others].map((other) => {
        host.run('userdel ann 2>/dev/null || :')
        const work = workOf([user({ ...one, ...other })])
        host.run(`${make}; touch -d @1 /etc/passwd`)
        return execute(user.kind, work)?.why
      })
      expect(refusals).toEqual([undefined, ...others.map(() => 'user ann is not as it was observed')])
      host.run('userdel ann')
      const work = workOf([user(one)])
      host.run(`${make.replace('"*"', 'x')}; touch -d @1 /etc/passwd`)
      expect(execute(user.kind, work)?.why).toBe('user ann is not as it was observed')
    })

    it('may be groups', () => {
      const appears = (resource: Resource, byHand: string) => {
        host.run('groupdel team 2>/dev/null || :; touch -d @1 /etc/group')
        const work = workOf([resource])
        host.run(byHand)
        return execute(group.kind, work)?.why
      }
      const team = group({ name: 'team', gid: 4100 })
      expect(appears(team, 'groupadd -g 4200 team')).toBe('group team is not as it was observed')
      expect(appears(team, 'groupadd -g 4100 team')).toBeUndefined()
      expect(appears(group({ name: 'team' }), 'groupadd -g 4200 team')).toBeUndefined()
      expect(appears(team, `groupadd -g 4200 team; ${installed}; ${postinst('team')}`)).toBeUndefined()
      expect(host.run('getent group team')).toBe('team:x:4100:\n')
    })
  })

  it('report what they lack before anything is changed', () => {
    host.run('useradd -M -u 4001 ann; useradd -M -u 4002 bob; groupadd -g 4100 team; usermod -g team bob')
    expect(plan(user({ name: 'ann', shell: '/usr/bin/nosuch' }))).toEqual(
      ['update ann home directory and shell differ; shell /usr/bin/nosuch does not exist'].map((line) =>
        line.replace('home directory and shell', 'shell and home directory'),
      ),
    )
    expect(forbidden(user({ name: 'ann', shell: '/usr/bin/nosuch' }), 'ann')).toBe(
      'it is the account that this run uses, and the host has no such program',
    )
    expect(forbidden(user({ name: 'ann', shell: '/bin/dash' }), 'ann')).toBeUndefined()
    expect(forbidden(user({ name: 'new', uid: 4002 }))).toBe('bob has it on this host')
    expect(forbidden(group({ name: 'new', gid: 4100 }))).toBe('group team has it on this host')
    expect(forbidden(group({ name: 'team', state: 'absent' }))).toBe('it is the primary group of bob')
  })

  it('keep the shell of the run if no package brought the new one', () => {
    host.run('useradd -M -s /bin/sh ops')
    const shell = (path: string, login: string) => execute(user.kind, workOf([user({ name: 'ops', shell: path })], login))?.why
    expect(shell('/usr/bin/nosuch', 'ops')).toBe('/usr/bin/nosuch does not exist, and the run uses ops')
    expect(host.run('getent passwd ops | cut -d: -f 7')).toBe('/bin/sh\n')
    expect(shell('/bin/dash', 'ops')).toBeUndefined()
    expect(shell('/usr/bin/nosuch', 'root')).toBeUndefined()
    expect(host.run('getent passwd ops | cut -d: -f 7')).toBe('/usr/bin/nosuch\n')
  })

  it('keep the way in of the run', () => {
    host.run(
      `groupadd admins; groupadd others; useradd -M -g admins -G others ops; mkdir -p /etc/sudoers.d; echo '%admins ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/x`,
    )
    expect(forbidden(user({ name: 'ops', group: 'others' }), 'ops')).toContain('sudo or sshd admits it by this group')
    expect(forbidden(user({ name: 'ops', group: 'others' }))).toBeUndefined()
    host.run('usermod -g others -G admins ops')
    expect(forbidden(group({ name: 'admins', state: 'absent' }), 'ops')).toBe(
      'sudo or sshd admits ops, the account that this run uses, by this group',
    )
    host.run(`rm /etc/sudoers.d/x; echo 'AllowGroups x admins' >>/etc/ssh/sshd_config`)
    expect(forbidden(group({ name: 'admins', state: 'absent' }), 'ops')).toContain('sudo or sshd admits ops')
    host.run('rm /etc/ssh/sshd_config')
    expect(forbidden(group({ name: 'admins', state: 'absent' }), 'ops')).toBeUndefined()
  })

  it('are found in a directory service that lists nothing', () => {
    const library = spawnSync(
      'gcc',
      ['-shared', '-fPIC', '-o', `${host.run('printf %s "$BIN"')}/libnss_dir.so.2`, fileURLToPath(new URL('nss-dir.c', import.meta.url))],
      { encoding: 'utf8' },
    )
    expect(library.stderr).toBe('')
    host.run(`sed -i 's/^passwd:.*/passwd: files dir/' /etc/nsswitch.conf; groupadd team`)
    host.prelude = 'export LD_LIBRARY_PATH="$BIN"'
    try {
      const jane = user({ name: 'directory-jane', groups: ['team'] })
      expect(host.run('getent passwd directory-jane | cut -d: -f 3; getent passwd | grep -c directory || true')).toBe('54321\n0\n')
      expect(plan(user({ name: 'directory-jane' }))).toEqual([])
      expect(plan(jane)).toEqual(['update directory-jane groups differ'])
      expect(apply(jane)).toBeUndefined()
      expect(plan(jane)).toEqual([])
      expect(forbidden(user({ name: 'directory-jane', shell: '/bin/sh' }))).toContain('a directory service has it')
    } finally {
      host.prelude = ''
    }
  })

  it('name the first of the processes that must end, and the number of the others', () => {
    host.run('useradd -M -u 4001 ann')
    const busyOf = (processes: number): string | undefined => {
      const query = user.kind.observe([user({ name: 'ann', state: 'absent' }).spec])
      const start = `for i in $(seq ${processes}); do setpriv --reuid 4001 --regid 4001 --clear-groups sleep 9 >/dev/null 2>&1 & done; sleep 0.2`
      const states = query.parse(host.ask(`SUDO_USER=root; ${start}; ${query.script}`), NOTHING)
      return states.get('ann')?.busy?.replaceAll(/\(\d+\)/g, '(n)')
    }
    const five = Array.from({ length: 5 }, () => 'sleep (n)').join(', ')
    expect([busyOf(5), busyOf(7)]).toEqual([five, `${five} and 2 more`])
    // A run that ends the processes names all of them: also what the account started as root.
    const ending = user.kind.observe([user({ name: 'ann', state: 'absent', endSessions: true }).spec])
    const start = `setpriv --reuid 4001 --regid 4001 --clear-groups sleep 9 >/dev/null 2>&1 &
perl -e 'exec "sleep", "8" unless fork; ($<, $>) = (4001, 4001); wait' >/dev/null 2>&1 & sleep 9 >/dev/null 2>&1 & sleep 0.2`
    const found = (query: typeof ending) =>
      query
        .parse(host.ask(`SUDO_USER=root; ${start}; ${query.script}`), NOTHING)
        .get('ann')
        ?.busy?.replaceAll(/\(\d+/g, '(n')
    expect(found(ending)).toBe('sleep (n), perl (n), sleep (n, as root)')
    expect(found(user.kind.observe([user({ name: 'ann', state: 'absent' }).spec]))).toBe('sleep (n), perl (n)')
  })

  it('go with their jobs, and not while they run something', () => {
    host.run('useradd -m -u 4001 ann; mkdir -p /var/lib/systemd/linger; touch /var/lib/systemd/linger/ann')
    const gone = user({ name: 'ann', state: 'absent' })
    // Processes end with the namespace of a script, so it runs beside the change.
    const work = (options: object) => [{ ...workOf([gone])[0], spec: user({ name: 'ann', state: 'absent', ...options }).spec }] as never
    const beside = (steps: ReturnType<typeof user.kind.apply>, before: string, after = ''): string => {
      const { value } = steps.next()
      const script = value && 'script' in value ? String(value.script) : ''
      const { code, stderr, stdout } = host.shell(`${before}\n(\n${script}\n); code=$?; ${after}\necho "exit $code" >&2`)
      return `${stdout.toString().replaceAll('\0', ' ')}${stderr}${code === 0 ? '' : code}`
    }
    const busy = `setpriv --reuid 4001 --regid 4001 --clear-groups sleep 60 &\nsleep 0.3\n`
    expect(beside(user.kind.apply(work({})), busy)).toMatch(/userdel: user ann is currently used by process \d+\nexit 8\n/)
    expect(host.run('getent passwd ann')).not.toBe('')
    const scanned = workOf([gone])
    expect(scanned[0]?.change?.reason).toBe('declared absent')
    const root = `setpriv --reuid 4001 --regid 4001 --clear-groups sh -c 'trap "" TERM; sleep 61; :' &
setpriv --reuid 4001 --regid 4001 --clear-groups sleep 62 &
perl -e 'exec "sleep", "64" unless fork; ($<, $>) = (4001, 4001); wait' &
sleep 63 &
sleep 0.3`
    // The account, as the parent of a run.
    const step = user.kind.apply(work({ endSessions: true })).next().value
    const own = step && 'script' in step ? String(step.script) : ''
    const within = `printf %s '${own.replaceAll("'", "'\\''")}' >/run/own
perl -e 'my $run = fork; exec "sh", "-c", "sleep 0.2; . /run/own" unless $run; ($<, $>) = (4001, 4001); waitpid $run, 0; exit $? >> 8'`
    expect(host.shell(within)).toMatchObject({ code: 1, stderr: 'this run is a part of a session of ann (perl)\n' })
    const left = 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline 2>/dev/null; done | grep -o "sleep 6[0-9]"'
    expect(beside(user.kind.apply(work({ endSessions: true })), root, left)).toBe('done ann sleep 63\nexit 0\n')
    expect(host.run('getent passwd ann || echo gone; ls /home /var/lib/systemd/linger')).toBe(
      'gone\n/home:\nann\n\n/var/lib/systemd/linger:\n',
    )
    expect(plan(gone)).toEqual([])
  })

  it('report the failure and its fix', () => {
    host.run('useradd -M -u 4001 bob')
    expect(apply(user({ name: 'ann', uid: 4001 }))).toMatchObject({
      what: 'user ann not changed (exit 4)',
      why: expect.stringContaining('UID 4001 is not unique'),
      fix: 'declare another number, or none: another account has it',
    })
    expect(apply(user({ name: 'ann', groups: ['nosuch'] }))).toMatchObject({
      why: expect.stringContaining("group 'nosuch' does not exist"),
      fix: 'declare the group before this resource, or correct its name',
    })
    const refusal = apply(group({ name: 'fine' }), group({ name: 'taken', gid: 0 }), group({ name: 'never' }))
    expect([refusal?.what, refusal?.done, refusal?.fix]).toEqual([
      'group taken not changed (exit 4)',
      ['fine'],
      'declare another number, or none: another group has it',
    ])
  })

  it('include groups: created, renumbered, deleted, and a deletion that was interrupted', () => {
    const team = (more: object = {}) => group({ name: 'team', ...more })
    expect(apply(team({ gid: 4100 }), group({ name: 'sys2', system: true }))).toBeUndefined()
    expect(host.run('getent group team; getent group sys2')).toMatch(/^team:x:4100:\nsys2:x:\d{3}:\n$/)
    expect(apply(team({ gid: 4101 }))).toBeUndefined()
    expect([host.run('getent group team'), plan(team({ gid: 4101 }))]).toEqual(['team:x:4101:\n', []])
    host.run('sed -i /^team:/d /etc/group')
    expect(plan(team({ state: 'absent' }))).toEqual(['delete team deletion interrupted'])
    expect(apply(team({ state: 'absent' }))).toBeUndefined()
    expect(host.run('grep -c ^team: /etc/gshadow || true')).toBe('0\n')
    expect(plan(team({ state: 'absent' }))).toEqual([])
  })

  it('read the shadow file only if a spec sets a password, and report only the kind of each', () => {
    host.run(`useradd -M ann; useradd -M bob; useradd -M eve; usermod -p '$6$salt$digest' ann; usermod -p '' eve; usermod -p '!$6$x' bob`)
    const kinds = (password?: 'locked') => {
      const specs = ['ann', 'bob', 'eve'].map((name) => user({ name, ...(password && { password }) }).spec)
      const query = user.kind.observe(specs)
      const stdout = host.ask(String(query.script))
      expect(stdout.toString()).not.toContain('$6$')
      return [...query.parse(stdout, NOTHING).values()].map(({ account }) => (account === 'absent' ? account : account.password))
    }
    expect(kinds('locked')).toEqual(['set', 'locked', 'empty'])
    expect(kinds()).toEqual([undefined, undefined, undefined])
  })
})

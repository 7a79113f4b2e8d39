import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { type Here, here, mine } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/etc', '/run/sshd', '/usr/sbin')
  for (const name of ['etc/ssh/sshd_config.d', 'etc/pam.d', 'etc/sudoers.d', 'run', 'usr/sbin', 'seen'])
    mkdirSync(host.at(name), { recursive: true })
  writeFileSync(host.at('etc/ssh/sshd_config'), 'nothing\n')
  // Stand-ins: programs in the namespace read a merged copy of /etc. The words in it decide what the login may do.
  const merged = host.at('seen/etc')
  host.program('unshare', `while [ "$1" != sh ]; do shift; done; rm -rf ${merged}; cp -a ${host.at('etc')} ${merged}; exec "$@"`)
  host.program(
    'mount',
    `[ "$2" = overlay ] || { mkdir -p ${host.at('run/sshd')}; exit; }
lower=\${5#lowerdir=}; lower=\${lower%%:*}; cp -a "$lower/." ${merged}/; grep -rlx GONE ${merged} | while read -r path; do rm "$path"; done`,
  )
  host.program('mknod', '[ "$2 $3 $4" = "c 0 0" ] && echo GONE >"$1"')
  host.program('ip', `echo "$*" >>${host.at('seen/ip')}`)
  host.program('ssh-keygen', 'while [ "$1" != -f ]; do shift; done; : >"$2"; echo key >"$2.pub"')
  host.program('sudo', `! grep -rq NOSUDO ${merged} || { echo "sudo: no" >&2; exit 1; }; shift; exec "$@"`)
  host.program(
    'ssh',
    `echo "$*" >>${host.at('seen/ssh')}
case " $* " in *' StrictHostKeyChecking=no '*' UserKnownHostsFile=/dev/null '*) ;; *) exit 64 ;; esac
grep -qx key ${host.at('run/sshd/key.pub')} || exit 255
! grep -rq SHUT ${merged} || { echo "Permission denied" >&2; exit 255; }
! grep -rq ELSEWHERE ${merged} || { echo "ssh: connect: Connection refused" >&2; exit 255; }
for asked; do :; done; exec sh -c "$asked"`,
  )
  host.program('sshd', ':')
  const daemon = host.at('usr/sbin/sshd')
  writeFileSync(
    daemon,
    `#!/bin/sh
case " $* " in *' PidFile=none '*) ;; *) exit 64 ;; esac
! grep -rq BROKEN ${merged} || { echo "x.conf: bad option" >&2; exit 255; }
! grep -rq SHUT ${merged} || echo "User ops not allowed" >&2
echo "Server listening on port 22." >&2; exec sleep 20
`,
  )
  chmodSync(daemon, 0o755)
})
afterEach(() => host.remove())

const CONNECTION = 'connection="192.0.2.7 50000 192.0.2.1 22"'
const apply = (path: string, content: string | undefined, prologue = `SUDO_USER=ops ${CONNECTION}`) => {
  const resource = file({ path, ...(content === undefined ? { state: 'absent' as const } : { content, ...mine }) })
  return host.apply(host.plan(resource), file.kind as never, prologue)
}
const seen = (name: string): string => (existsSync(host.at(`seen/${name}`)) ? readFileSync(host.at(`seen/${name}`), 'utf8') : '')

const CONF = '/etc/ssh/sshd_config.d/x.conf'

describe('a file that decides who may log in', () => {
  it('is written if a login with it succeeds, from and to the addresses of this connection', () => {
    expect(apply(CONF, 'fine\n')).toBeUndefined()
    expect(readFileSync(host.at(CONF.slice(1)), 'utf8')).toBe('fine\n')
    expect(seen('ip')).toContain('addr replace 192.0.2.1/32 dev lo\naddr replace 192.0.2.7/32 dev lo\n')
    expect(seen('ssh')).toContain('-b 192.0.2.7 -p 22 ')
    expect(seen('ssh').split('\n').length - 1).toBe(1)
    expect(seen('ssh')).toContain('ops@192.0.2.1 ')
    expect(host.sh('ls -A T')).not.toContain('new')
    // The account can enter the directories, although root's files are closed by default.
    expect(apply(CONF, 'finer\n', `umask 077; SUDO_USER=ops ${CONNECTION}`)).toBeUndefined()
    expect(statSync(host.at('seen/etc/ssh')).mode & 0o777).toBe(0o755)
    expect(apply(CONF, undefined)).toBeUndefined()
    expect(existsSync(host.at(CONF.slice(1)))).toBe(false)
  })

  it.each([
    ['sshd refuses the account', CONF, 'SHUT\n', 'User ops not allowed\nPermission denied'],
    ['sshd refuses the file', CONF, 'BROKEN\n', 'x.conf: bad option\nPermission denied'],
    ['sshd listens elsewhere', CONF, 'ELSEWHERE\n', 'sshd would not accept connections at 192.0.2.1 port 22'],
    ['sudo fails', '/etc/pam.d/sudo', 'NOSUDO\n', 'sudo: no'],
  ])('is not written if %s', (what, path, content, why) => {
    if (what === 'sshd refuses the file')
      host.program(
        'ssh',
        `! grep -rq BROKEN ${host.at('seen/etc')} || { echo "Permission denied" >&2; exit 255; }; for asked; do :; done; exec sh -c "$asked"`,
      )
    expect(apply(path, content)).toMatchObject({
      what: `${path} would shut out ops, the account that this run uses`,
      why,
      done: [],
    })
    expect(existsSync(host.at(path.slice(1)))).toBe(false)
  })

  it('is not deleted if the login needs it', () => {
    const path = '/etc/pam.d/sudo'
    writeFileSync(host.at(path.slice(1)), 'fine\n')
    const sudo = `[ -e ${host.at('seen/etc/pam.d/sudo')} ] || { echo "sudo: no" >&2; exit 1; }; shift; exec "$@"`
    host.program('sudo', sudo)
    expect(apply(path, undefined)?.why).toBe('sudo: no')
    expect(existsSync(host.at(path.slice(1)))).toBe(true)
  })

  it.each([
    ['the present files do not admit a key alone', () => writeFileSync(host.at('etc/ssh/other'), 'SHUT\n'), undefined],
    ['the host has no namespaces', () => host.program('unshare', 'exit 1'), undefined],
    ['the run does not log in by ssh', () => {}, 'SUDO_USER=ops connection='],
  ])('is written without a login if %s', (_, prepare, prologue) => {
    prepare()
    expect(apply(CONF, 'SHUT\n', prologue)).toBeUndefined()
    expect(readFileSync(host.at(CONF.slice(1)), 'utf8')).toBe('SHUT\n')
  })

  it('needs no sudo where the run logs in as root', () => {
    expect(apply('/etc/pam.d/sudo', 'NOSUDO\n', CONNECTION)).toBeUndefined()
    expect(seen('ssh')).toContain('root@192.0.2.1 ')
    expect(apply(CONF, 'SHUT\n', CONNECTION)?.what).toBe(`${CONF} would shut out root, the account that this run uses`)
  })

  it('can be a link', () => {
    writeFileSync(host.at('etc/shut'), 'LINKED\n')
    const linked = (path: string, options: object) => {
      const resource = link({ path, ...options })
      return host.apply(host.plan(resource), link.kind as never, `SUDO_USER=ops ${CONNECTION}`)
    }
    // The words of a file behind a link count.
    host.program(
      'ssh',
      `grep -q LINKED ${host.at('seen/etc')}/ssh/sshd_config.d/* && { echo "Permission denied" >&2; exit 255; }; for asked do :; done; exec sh -c "$asked"`,
    )
    expect(linked(CONF, { target: '/etc/shut' })).toMatchObject({
      what: `${CONF} would shut out ops, the account that this run uses`,
      why: 'Permission denied',
    })
    expect(host.sh('ls etc/ssh/sshd_config.d')).toBe('')
    expect(linked(CONF, { target: '/etc/pam.d' })).toBeUndefined()
    expect(host.sh('readlink etc/ssh/sshd_config.d/x.conf')).not.toBe('')
    expect(linked(CONF, { state: 'absent' })).toBeUndefined()
    expect(host.sh('ls etc/ssh/sshd_config.d')).toBe('')
    const [given, asks] = [`${host.at('seen/etc')}/sudoers.d/zz`, 'for asked do :; done; exec sh -c "$asked"']
    host.program('ssh', `[ ! -L ${given} ] || { echo "Permission denied" >&2; exit 255; }; ${asks}`)
    expect(linked('/etc/sudoers.d/zz', { target: '/etc/shut' })?.what).toBe(
      '/etc/sudoers.d/zz would shut out ops, the account that this run uses',
    )
    // No login is tried for another link.
    host.program('ssh', 'exit 255')
    expect(linked('/etc/motd', { target: '/etc/shut' })).toBeUndefined()
  })

  it('is tried together with those beside it', () => {
    host.program('sudo', `[ -e ${host.at('seen/etc/pam.d/one')} ] && [ -e ${host.at('seen/etc/pam.d/two')} ] || exit 1; shift; exec "$@"`)
    for (const name of ['one', 'two']) writeFileSync(host.at(`etc/pam.d/${name}`), 'old\n')
    // Files elsewhere are no part of it.
    const paths = ['/usr/sbin/before', '/etc/pam.d/one', '/etc/pam.d/two', '/usr/sbin/after']
    const files = paths.map((path) => file({ path, content: 'new\n', ...mine }))
    expect(host.apply(host.plan(...files), file.kind as never, `SUDO_USER=ops ${CONNECTION}`)).toBeUndefined()
    expect(seen('ssh').split('\n')).toHaveLength(2)
  })

  it('sees the addresses of IPv6 connections', () => {
    expect(apply(CONF, 'fine\n', 'SUDO_USER=ops connection="2001:db8::7 50000 2001:db8::1 22"')).toBeUndefined()
    expect(seen('ip')).toContain('addr replace 2001:db8::1/128 dev lo\naddr replace 2001:db8::7/128 dev lo\n')
  })
})

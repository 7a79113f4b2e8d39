import { mkdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { file } from '../../../../../src/resource/file/file.ts'
import type { Resource } from '../../../../../src/resource/kind/kind.ts'
import { OBSERVED, walk } from '../../../../../src/resource/kind/walk.ts'
import { type Here, here, mine } from '../../run-here.ts'

const MOVED = [
  '/var/lib/dpkg',
  '/var/lib/ucf',
  '/var/lib/systemd',
  '/usr/lib/tmpfiles.d',
  '/etc/systemd/system',
  '/etc/alternatives',
  '/etc/apache2',
  '/var/lib/apache2',
]

let host: Here
beforeEach(() => {
  host = here(...MOVED)
  for (const name of ['info', 'alternatives']) mkdirSync(host.at(`var/lib/dpkg/${name}`), { recursive: true })
})
afterEach(() => host.remove())

const fileAt = (path: string, content = 'ours\n'): Resource => file({ path: host.at(path), content, ...mine })
/** Whether a path is of a package, after a script. */
const verdict = (path: string, script: string, change = ''): string => {
  const [, directory = '', name = ''] = /^(.*?)([^/]*)$/.exec(path) ?? []
  const ask = walk(
    `${OBSERVED}reach(shift @ARGV); print is_of_package(@ARGV) ? 1 : 0`,
    directory.startsWith('/') ? directory : host.at(directory),
    ...[name, change],
  )
  const { stdout, stderr } = host.run(
    `cd ${host.root}; mkdir -p etc/systemd/system/x.wants etc/alternatives in; ${script}
${ask}`,
  )
  return `${stdout}${stderr}`
}

/** Plans, lets packages and people change the host while a step installs packages, applies. */
const whileInstalling = (resource: Resource, script: string): string | undefined => {
  const work = host.plan(resource)
  host.sh(`: >T/install.3.from; sleep 0.02; ${script}; sleep 0.02; : >T/install.3.to`)
  return host.apply(work, resource.kind)?.why
}

/** The database of dpkg knows a package with these paths, and the content `package` of a path as a conffile or in md5sums. */
const lists = (name: string, ...paths: readonly string[]): string =>
  `printf '%s\n' ${paths.map((path) => `'${host.at(path)}'`).join(' ')} >var/lib/dpkg/info/${name}.list`
const SUM = '$(echo package | md5sum | cut -c -32)'
const conffile = (path: string, words = ''): string =>
  `printf 'Package: p\nConffiles:\n %s %s%s\nDescription: x\n' '${host.at(path)}' ${SUM} '${words}' >var/lib/dpkg/status`
const md5sums = (name: string, path: string): string =>
  `printf '%s  %s\n' ${SUM} '${host.at(path).slice(1)}' >var/lib/dpkg/info/${name}.md5sums`
const postinst = (line: string): string => `echo "${line}" >var/lib/dpkg/info/p.postinst`

type Case = readonly [string, string, () => string]

describe('a path that appears while packages are installed belongs to a package', () => {
  it.each<Case>([
    ['a conffile', 'a', () => `echo package >a; ${lists('p', 'a')}; ${conffile('a')}`],
    ['a conffile that a newer version has no more', 'a', () => `echo package >a; ${lists('p', 'a')}; ${conffile('a', ' obsolete')}`],
    ['a file with a sum', 'a', () => `echo package >a; ${lists('p:amd64', 'a')}; ${md5sums('p:amd64', 'a')}`],
    ['a file of a package without sums', 'a', () => `echo package >a; ${lists('p', 'a')}`],
    ['a link', 'a', () => `ln -s package a; ${lists('p', 'a')}; ${md5sums('p', 'b')}`],
    ['a directory', 'a', () => `mkdir -m 700 a; ${lists('p', 'a')}; ${md5sums('p', 'a/b')}`],
    [
      'a file that another package diverted',
      'a.p',
      () =>
        `echo package >a.p; ${lists('p', 'a')}; ${conffile('a')}; printf '%s\n' ${host.at('a')} ${host.at('a.p')} q >var/lib/dpkg/diversions`,
    ],
    [
      'a file of the package that diverted it',
      'a',
      () =>
        `echo package >a; ${lists('q', 'a')}; ${md5sums('q', 'a')}; printf '%s\n' ${host.at('a')} ${host.at('a.p')} q >var/lib/dpkg/diversions`,
    ],
    ['a file of ucf', 'a', () => `echo package >a; mkdir -p var/lib/ucf; echo "${SUM}  ${host.at('a')}" >var/lib/ucf/hashfile`],
    [
      'a link that enables a unit',
      '/etc/systemd/system/x.wants/u',
      () =>
        `mkdir -p lib; echo x >lib/u; ${lists('p', 'lib/u')}; mkdir -p etc/systemd/system/x.wants var/lib/systemd/deb-systemd-helper-enabled/x.wants; : >var/lib/systemd/deb-systemd-helper-enabled/x.wants/u; ln -s ${host.at('lib/u')} etc/systemd/system/x.wants/u`,
    ],
    [
      'a link that masks a unit',
      '/etc/systemd/system/u',
      () =>
        'mkdir -p etc/systemd/system var/lib/systemd/deb-systemd-helper-masked; : >var/lib/systemd/deb-systemd-helper-masked/u; ln -s /dev/null etc/systemd/system/u',
    ],
    [
      'a link of update-alternatives',
      'a',
      () => `printf 'auto\n${host.at('a')}\n' >var/lib/dpkg/alternatives/a; mkdir -p etc/alternatives; ln -s /etc/alternatives/a a`,
    ],
    [
      'the choice of update-alternatives',
      '/etc/alternatives/a',
      () =>
        `${lists('p', 'one')}; printf 'auto\n${host.at('a')}\n\n${host.at('one')}\n' >var/lib/dpkg/alternatives/a; mkdir -p etc/alternatives; ln -s ${host.at('one')} etc/alternatives/a`,
    ],
    ['a directory that a maintainer script names', 'in/b', () => `mkdir -m 700 in/b; ${postinst(`chown x: '${host.at('in/b')}/'`)}`],
    [
      'a link that a maintainer script names, to a file of a package',
      'in/b',
      () => `${lists('p', 'a/b')}; ln -s ../a/b in/b; ${postinst(`ln -s x ${host.at('in/b')}`)}`,
    ],
    [
      'a copy of a file of a package, to a path that a maintainer script names',
      'a',
      () => `echo package >a; ${lists('p', 'b')}; ${md5sums('p', 'b')}; ${postinst(`cp x '${host.at('a')}'`)}`,
    ],
    [
      'a link of a2ensite',
      '/etc/apache2/sites-enabled/a.conf',
      () =>
        `mkdir -p var/lib/apache2/site/enabled_by_maint etc/apache2/sites-enabled; : >var/lib/apache2/site/enabled_by_maint/a; ln -s ../sites-available/a.conf etc/apache2/sites-enabled/a.conf; printf '%s\n' /etc/apache2/sites-available/a.conf >var/lib/dpkg/info/p.list`,
    ],
    [
      'a directory that tmpfiles.d names',
      'a',
      () => `mkdir -m 700 a; mkdir -p usr/lib/tmpfiles.d; echo "d ${host.at('a')} 0700" >usr/lib/tmpfiles.d/p.conf`,
    ],
  ])('%s', (_, path, script) => {
    expect(verdict(path, script())).toBe('1')
  })
})

describe('a path that a person creates while packages are installed is refused', () => {
  const theirs = 'echo theirs >a'
  it.each<Case>([
    ['a file that no package has', 'a', () => `${theirs}; ${lists('p', 'ab', 'b/a')}`],
    ['other content than the conffile', 'a', () => `${theirs}; ${lists('p', 'a')}; ${conffile('a')}`],
    ['other content than an old conffile', 'a', () => `${theirs}; ${lists('p', 'a')}; ${conffile('a', ' obsolete')}`],
    ['other content than the sum', 'a', () => `${theirs}; ${lists('p', 'a')}; ${md5sums('p', 'a')}`],
    ['a file in place of a link of the package', 'a', () => `${theirs}; ${lists('p', 'a')}; ${md5sums('p', 'b')}`],
    ['a link in place of a file', 'a', () => `ln -s theirs a; ${lists('p', 'a')}; ${md5sums('p', 'a')}`],
    ['a directory in place of a file', 'a', () => `mkdir -m 700 a; ${lists('p', 'a')}; ${md5sums('p', 'a')}`],
    [
      'a file of a package that another package has diverted',
      'a',
      () =>
        `echo package >a; ${lists('p', 'a')}; ${md5sums('p', 'a')}; printf '%s\n' ${host.at('a')} ${host.at('a.p')} q >var/lib/dpkg/diversions`,
    ],
    [
      'a file of the package that diverted another, under the name of that',
      'a.p',
      () =>
        `echo package >a.p; ${lists('q', 'a')}; ${md5sums('q', 'a')}; printf '%s\n' ${host.at('a')} ${host.at('a.p')} q >var/lib/dpkg/diversions`,
    ],
    [
      'a file of ucf with other content',
      'a',
      () => `${theirs}; mkdir -p var/lib/ucf; echo "${SUM}  ${host.at('a')}" >var/lib/ucf/hashfile`,
    ],
    ['a file that a maintainer script names', 'a', () => `${theirs}; ${postinst(`cp x '${host.at('a')}'`)}`],
    [
      'a link that a maintainer script names, to a file of a person',
      'in/b',
      () => `${lists('p', 'a/b')}; ln -s ../a/c in/b; ${postinst(`ln -s x ${host.at('in/b')}`)}`,
    ],
    ['a link to a file of a package that no maintainer script names', 'in/b', () => `${lists('p', 'a/b')}; ln -s ../a/b in/b`],
    [
      'a copy of a file of a package that no maintainer script names',
      'a',
      () => `echo package >a; ${lists('p', 'b')}; ${md5sums('p', 'b')}`,
    ],
    [
      'a link of a person beside those of a2ensite',
      '/etc/apache2/sites-enabled/a.conf',
      () =>
        `mkdir -p var/lib/apache2/site/enabled_by_admin etc/apache2/sites-enabled; : >var/lib/apache2/site/enabled_by_admin/a; ln -s ../sites-available/a.conf etc/apache2/sites-enabled/a.conf; printf '%s\n' /etc/apache2/sites-available/a.conf >var/lib/dpkg/info/p.list`,
    ],
    ['a directory that nothing names', 'a', () => `mkdir -m 700 a; ${postinst(`rm ${host.at('a')}.d ${host.at('a')}/b x${host.at('a')}`)}`],
    [
      'a link that nothing registers',
      'a',
      () => `ln -s /etc/alternatives/a a; printf 'auto\n${host.at('b')}\n' >var/lib/dpkg/alternatives/a`,
    ],
    [
      'a link to no file of a package',
      '/etc/alternatives/a',
      () => `ln -s ${host.at('b')} etc/alternatives/a; printf 'auto\n${host.at('b')}\n' >var/lib/dpkg/alternatives/a`,
    ],
    [
      'another target of a link of update-alternatives',
      'a',
      () => `ln -s theirs a; printf 'auto\n${host.at('a')}\n' >var/lib/dpkg/alternatives/a`,
    ],
    [
      'a link that enables a unit of no package',
      '/etc/systemd/system/x.wants/u',
      () =>
        `ln -s /srv/u etc/systemd/system/x.wants/u; mkdir -p var/lib/systemd/deb-systemd-helper-enabled/x.wants; : >var/lib/systemd/deb-systemd-helper-enabled/x.wants/u`,
    ],
    [
      'a link that no package made',
      '/etc/systemd/system/x.wants/u',
      () => `ln -s ${host.at('lib/u')} etc/systemd/system/x.wants/u; ${lists('p', 'lib/u')}`,
    ],
    ['a link that masks a unit', '/etc/systemd/system/u', () => 'ln -s /dev/null etc/systemd/system/u'],
    ['a named pipe', 'a', () => `mkfifo a; ${lists('p', 'a')}`],
  ])('%s', (_, path, script) => {
    expect(verdict(path, script())).toBe('0')
  })

  it('once no package is installed any more', () => {
    const work = host.plan(fileAt('a'))
    host.sh(`: >T/install.3.from; sleep 0.02; : >T/install.3.to; sleep 0.02; echo package >a; ${lists('p', 'a')}; ${conffile('a')}`)
    expect(host.apply(work, file.kind)?.why).toContain('is not as it was observed')
  })

  it('before dpkg is free', () => {
    const work = host.plan(fileAt('a'))
    host.sh(`echo package >a; ${lists('p', 'a')}; ${conffile('a')}; sleep 0.02; : >T/install.3.from; : >T/install.3.to`)
    expect(host.apply(work, file.kind)?.why).toContain('is not as it was observed')
  })

  it('if the installation was interrupted', () => {
    const work = host.plan(fileAt('a'))
    host.sh(`: >T/install.3.from; sleep 0.02; echo package >a; ${lists('p', 'a')}; ${conffile('a')}`)
    expect(host.apply(work, file.kind)?.why).toContain('is not as it was observed')
  })
})

describe('while packages are installed', () => {
  it('a conffile is replaced, and a file of a person is not', () => {
    expect(whileInstalling(fileAt('a'), `echo package >a; ${lists('p', 'a')}; ${conffile('a')}`)).toBeUndefined()
    expect(whileInstalling(fileAt('b'), 'echo theirs >b')).toContain('b is not as it was observed')
    expect(host.sh('cat a b')).toBe('ours\ntheirs\n')
  })
})

describe('a path that existed before', () => {
  it('is replaced if the package has replaced it by its own', () => {
    host.sh('echo old >a')
    expect(whileInstalling(fileAt('a'), `echo package >a; chmod 600 a; ${lists('p', 'a')}; ${conffile('a')}`)).toBeUndefined()
    expect(readFileSync(host.at('a'), 'utf8')).toBe('ours\n')
  })

  it.each<Case>([
    ['a file of a package without sums', 'a', () => `echo theirs >a; ${lists('p', 'a')}`],
    ['a directory with a new mode', 'd', () => `chmod 711 d; ${lists('p', 'd')}`],
    ['a link with a new target', 'l', () => `ln -sfn theirs l; ${lists('p', 'l')}`],
    ['a directory that a maintainer script names', 'd', () => `chmod 711 d; ${postinst(`chmod 711 ${host.at('d')}`)}`],
  ])('is refused if the content of the package is unknown: %s', (_, path, script) => {
    expect(verdict(path, `echo old >a; mkdir -m 700 d; ln -s b l; ${script()}`, 'change')).toBe('0')
  })
})

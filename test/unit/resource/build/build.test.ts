import { mkdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { build } from '../../../../src/resource/build/build.ts'
import { archive } from '../../../../src/resource/fetched/archive.ts'
import { git } from '../../../../src/resource/fetched/git.ts'
import { manifestOf } from '../../../../src/resource/fetched/manifest.ts'
import { forgetScript, restoreScript } from '../../../../src/resource/file/undo.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { type Here, here } from '../run-here.ts'

/** Another account of this machine, which builds. */
const BUILDER = 'daemon'
const isRoot = process.getuid?.() === 0

const packed = (files: Readonly<Record<string, string>>): LocalFile => {
  const bytes = tar(
    Object.entries(files).map(([name, text]) => ({
      ...{ name, mode: name.endsWith('.sh') ? '755' : '644', owner: 'root', group: 'root', bytes: Buffer.from(text), modified: 1e9 },
    })),
  )
  return { type: 'local', path: 'app.tar', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

/** systemd of a host: it runs the command with the rights of its account, in its directory. */
const SYSTEMD_RUN = `
printf '%s\\n' "$@" >>"$T/started"
user= directory=
while [ "$1" != -- ]; do
  case $1 in
    --property=User=*) user=\${1##*=} ;;
    --property=WorkingDirectory=*) directory=\${1##*=} ;;
    --setenv=*) export "\${1#--setenv=}" ;;
  esac
  shift
done
shift; cd "$directory" && exec setpriv --reuid="$user" --clear-groups "$@"`

describe.runIf(isRoot)('build', { timeout: 120_000 }, () => {
  let host: Here
  beforeEach(() => {
    host = here('/var/cache')
    for (const name of ['var', 'var/cache', 'srv', 'srv/shop']) mkdirSync(host.at(name), { mode: 0o755 })
    mkdirSync(host.at('state'), { mode: 0o700 })
    host.program('systemd-run', SYSTEMD_RUN)
    host.program('systemctl', 'echo "$*" >>"$T/systemctl"')
    host.program('sync', ':')
  })
  afterEach(() => host.remove())

  const sourceOf = (files: Readonly<Record<string, string>>) => archive({ path: host.at('srv/shop/source'), content: packed(files) })
  const deploy = (files: Readonly<Record<string, string>>, more: object = {}) => {
    const source = sourceOf(files)
    expect(host.apply(host.plan(source), archive.kind)).toBe(undefined)
    const resource = build({ root: host.at('srv/shop'), source, user: BUILDER, ...more })
    const planned = host.plan(resource)
    return { planned, refusal: host.apply(planned, build.kind), after: host.plan(resource) }
  }
  const roll = (more: object = {}) => {
    const resource = build({ root: host.at('srv/shop'), source: sourceOf({ a: '1' }), user: BUILDER, which: 'previous', ...more })
    const planned = host.plan(resource)
    return { planned, refusal: host.apply(planned, build.kind), after: host.plan(resource) }
  }
  const live = (path: string) => host.sh(`cat srv/shop/current/app/${path} 2>/dev/null`).trim()

  it('builds a copy of the source as its account, makes it live, and then plans nothing', () => {
    const { planned, refusal, after } = deploy(
      { 'main.txt': 'one', 'run.sh': '#!/bin/sh\n' },
      { command: 'id -un >account; pwd >place; echo "$MODE" >mode; ln -s main.txt link', environment: { MODE: 'fast' } },
    )
    expect(planned.map(({ change }) => [change.action, change.certainty, change.reason])).toEqual([['create', 'dependent', 'missing']])
    expect([refusal, after]).toEqual([undefined, []])
    expect([live('main.txt'), live('account'), live('mode'), live('link')]).toEqual(['one', BUILDER, 'fast', 'one'])
    expect(live('place')).toMatch(/\/srv\/shop\/releases\/\d{8}T\d{6}-[0-9a-f]{12}\/app$/)
    // Root owns all of it, so neither the build nor the program can change it later.
    expect(host.sh('find srv/shop/releases -printf "%u %m %y\\n" | sort -u').trim().split('\n')).toEqual([
      ...['root 644 f', 'root 755 d', 'root 755 f', 'root 777 l'],
    ])
    expect(host.sh('cat T/started')).toContain('--property=PrivateNetwork=yes\n')
    expect(host.sh('ls srv/shop/source')).toBe('main.txt\nrun.sh\n')
  })

  it('deploys the source unchanged without a command', () => {
    const { planned, after } = deploy({ a: '1' })
    expect(planned[0]?.change.certainty).toBe('exact')
    expect([live('a'), host.sh('cat T/started 2>/dev/null'), after]).toEqual(['1', '', []])
  })

  it('lets a command reach the network only if that is declared', () => {
    deploy({ a: '1' }, { command: ':', network: true })
    expect(host.sh('cat T/started')).not.toContain('PrivateNetwork')
  })

  it('builds another version, another command and another environment as new releases', () => {
    const first = { command: 'cp a b' }
    deploy({ a: '1' }, first)
    for (const [files, more] of [
      [{ a: '2' }, first],
      [{ a: '2' }, { command: 'cp a c' }],
      [{ a: '2' }, { command: 'cp a c', environment: { A: 'b' }, network: true }],
    ] as const) {
      const { planned, refusal, after } = deploy(files, more)
      expect([planned.map(({ change }) => change.reason), refusal, after]).toEqual([['another version'], undefined, []])
    }
    expect([live('c'), live('b')]).toEqual(['2', ''])
  })

  it('keeps the former release live if the build fails, and reports the last output of the command', () => {
    deploy({ a: '1' }, { command: ':' })
    const { refusal } = deploy({ a: '2' }, { command: 'echo compiling; echo no such module >&2; exit 3' })
    expect(refusal?.what).toMatch(/srv\/shop not built/)
    expect(refusal?.why).toBe('compiling\nno such module\nthe command of the build ended with status 3')
    expect([live('a'), host.sh('ls srv/shop/releases | wc -l').trim()]).toEqual(['1', '1'])
  })

  it('never makes an interrupted build live, and deletes it', () => {
    deploy({ a: '1' })
    // The shell of the run is killed while the command runs.
    const { after } = deploy(
      { a: '2' },
      { command: 'kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $(ps -o ppid= -p $PPID))) 2>/dev/null; exit 1' },
    )
    expect(after.map(({ change }) => change.reason)).toEqual(['another version'])
    host.sh('mkdir srv/shop/releases/20200101T000000-aaaaaaaaaaaa; echo half >srv/shop/releases/20200101T000000-aaaaaaaaaaaa/app')
    const again = deploy({ a: '1' })
    expect(again.planned.map(({ change }) => [change.reason, change.unfinished])).toEqual([['earlier build interrupted', true]])
    expect([again.after, live('a'), host.sh('ls srv/shop/releases | wc -l').trim()]).toEqual([[], '1', '1'])
    // A unit of the interrupted run is stopped first.
    expect(host.sh('cat T/systemctl')).toMatch(/^stop -- provision-build-[0-9a-f]{12}\.service$/m)
  })

  it('switches to a release that the host has already, without building it', () => {
    deploy({ a: '1' }, { command: 'date +%N >b' })
    const built = live('b')
    deploy({ a: '2' }, { command: 'date +%N >b' })
    const { planned, after } = deploy({ a: '1' }, { command: 'date +%N >b' })
    expect(planned.map(({ change }) => [change.reason, change.certainty])).toEqual([['another version, which was built before', 'exact']])
    expect([live('b'), after]).toEqual([built, []])
  })

  it('detects a manual change of the live release, and builds it again', () => {
    deploy({ a: '1' }, { command: ':' })
    host.sh('echo evil >srv/shop/current/app/a; echo more >srv/shop/current/app/more')
    const { planned, after } = deploy({ a: '1' }, { command: ':' })
    expect(planned.map(({ change }) => change.reason)).toEqual(['changed since it was built: a, more'])
    expect([live('a'), live('more'), after]).toEqual(['1', '', []])
  })

  it('rolls back to the release before, and deploys the newest again', () => {
    deploy({ a: '1' })
    expect(roll().planned).toEqual([])
    deploy({ a: '2' })
    const back = roll()
    expect(back.planned.map(({ change }) => [change.reason, change.certainty])).toEqual([['rolls back to the previous release', 'exact']])
    expect([back.refusal, back.after, live('a')]).toEqual([undefined, [], '1'])
    deploy({ a: '3' })
    // A rollback never leads to a release that was rolled back.
    expect([roll().refusal, live('a')]).toEqual([undefined, '1'])
  })

  it('refuses to roll back to a release that was changed or is gone', () => {
    const forbidden = () => {
      const { kind, spec } = build({ root: host.at('srv/shop'), source: sourceOf({}), user: BUILDER, which: 'previous' })
      const [work] = host.plan(build({ root: host.at('srv/shop'), source: sourceOf({}), user: BUILDER, which: 'previous' }))
      return kind.forbids?.(spec, work?.state, {} as PlanContext)?.why
    }
    deploy({ a: '1' })
    deploy({ a: '2' })
    expect(forbidden()).toBe(undefined)
    host.sh('for one in srv/shop/releases/*/app/a; do ! grep -q 1 $one || echo evil >$one; done')
    expect(forbidden()).toBe('it was changed since it was built')
    host.sh('for one in srv/shop/releases/*; do ! grep -q evil $one/app/a || rm -r $one; done')
    expect(forbidden()).toBe('it is no longer on the host')
  })

  it('keeps as many releases as declared', () => {
    for (const a of ['1', '2', '3']) deploy({ a }, { keep: 2 })
    expect([...host.sh('cat srv/shop/releases/*/app/a')].sort()).toEqual(['2', '3'])
    expect(host.sh('wc -l <srv/shop/history').trim()).toBe('2')
  })

  it('saves the former release for a service that may reject the new one', () => {
    deploy({ a: '1' }, { set: 'shop' })
    expect(host.sh('cat state/undo/shop/absent').trim()).toBe(host.at('srv/shop/current'))
    host.sh('rm -r state/undo')
    deploy({ a: '2' }, { set: 'shop' })
    expect(host.sh('tar -tvf state/undo/shop/files.tar')).toMatch(/srv\/shop\/current -> releases\/\d+T/)
  })

  it('is taken back by a service that rejects it, and deployed again without a build', () => {
    deploy({ a: '1' }, { set: 'shop' })
    host.run(String(forgetScript('shop')))
    deploy({ a: '2' }, { set: 'shop', command: 'date +%N >built' })
    const built = live('built')
    expect(host.run(String(restoreScript('shop')))).toMatchObject({ code: 0 })
    expect([live('a'), live('built')]).toEqual(['1', ''])
    const { planned } = deploy({ a: '2' }, { set: 'shop', command: 'date +%N >built' })
    expect(planned.map(({ change }) => change.reason)).toEqual(['another version, which was built before'])
    expect([live('a'), live('built')]).toEqual(['2', built])
    // The first release of a host is taken away.
    host.sh('rm -rf srv/shop/* state/undo')
    deploy({ a: '1' }, { set: 'shop' })
    expect(host.run(String(restoreScript('shop'))).code).toBe(0)
    expect(host.sh('ls srv/shop')).not.toContain('current')
  })

  it('restores the former release and restarts the service if a rolling update reverts the host', () => {
    deploy({ a: '1' })
    const source = sourceOf({ a: '2' })
    host.apply(host.plan(source), archive.kind)
    const work = host.plan(build({ root: host.at('srv/shop'), source, user: BUILDER, unit: 'shop.service' }))
    host.apply(work, build.kind)
    expect(live('a')).toBe('2')
    const reverting = { ...build.kind, apply: build.kind.revert } as unknown as typeof build.kind
    expect(host.apply(work, reverting)).toBe(undefined)
    expect(live('a')).toBe('1')
    expect(host.sh('tail -n 1 T/systemctl')).toBe('try-restart -- shop.service\n')
  })

  it.each([
    ['a device', 'mkfifo pipe', 'pipe is neither a file nor a directory nor a link'],
    ['a file with a name elsewhere', 'echo x >one; ln one ../one', ''],
  ])('refuses %s in a release', (_, command, why) => {
    const { refusal } = deploy({ a: '1' }, { command })
    expect(refusal?.why).toContain(why === '' ? 'ermission denied' : why)
    expect(live('a')).toBe('')
  })

  it('drops set-user-ID bits, and makes files of the build readable', () => {
    deploy({ a: '1' }, { command: 'cp /bin/true tool; chmod 4711 tool; echo x >private; chmod 600 private; mkdir d; chmod 700 d' })
    expect(host.sh('cd srv/shop/current/app; stat -c "%n %a" tool private d')).toBe('tool 755\nprivate 644\nd 755\n')
  })

  it('refuses a root that another account controls', () => {
    const work = host.plan(build({ root: host.at('srv/shop'), source: sourceOf({ a: '1' }), user: BUILDER }))
    host.sh(`chown ${BUILDER} srv/shop`)
    expect(host.apply(work, build.kind)?.why).toContain(`can be replaced by another account (owner: ${BUILDER})`)
  })
})

describe('the options of a build', () => {
  const source = git({ path: '/srv/source', repository: 'https://git.example.test/x', ref: 'a'.repeat(40), user: 'builder' })
  const options = { root: '/srv/shop', source, user: 'builder' }

  it('need an archive or a checkout, and an account without rights', () => {
    expect(() => build({ ...options, user: 'root' })).toThrow('must be an account without the rights of root')
    expect(() => build({ ...options, source: build(options) })).toThrow('must be an archive or a git checkout')
  })

  it('name the commit that will run before the host has it', () => {
    const { spec } = build(options)
    expect(spec.source).toMatchObject({ key: 'git:/srv/source', manifest: manifestOf('/srv/source') })
    expect(spec.source.head).toMatch(/^a{40} /)
    const branch = build({
      ...options,
      source: git({ ...{ path: '/srv/source', user: 'builder' }, repository: 'https://git.example.test/x', ref: 'main' }),
    })
    expect(branch.spec.source.head).toBe(undefined)
  })
})

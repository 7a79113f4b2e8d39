import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import { CLEAR_STAGED } from '../../../../src/resource/file/place.ts'
import { forgetScript, restoreScript, saveScript } from '../../../../src/resource/file/undo.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { isRoot } from '../account/throwaway.ts'
import { type Here, here, mine } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/etc/shop', '/run/provision/loaded')
  host.sh('mkdir -p /etc/shop/sites; echo old >/etc/shop/a.conf; echo kept >/etc/shop/b.conf; echo left >/etc/shop/sites/c.conf')
})
afterEach(() => host.remove())

/** Files of a set; `check` is the script of its checker. Undefined content: absent. */
const set = (check: string, files: Readonly<Record<string, string | undefined>>): readonly Resource[] =>
  Object.entries(files).map(([name, content]) =>
    file({
      ...{ path: `/etc/shop/${name}`, set: { name: 'shop', root: '/etc/shop', check: ['sh', '-c', check, 'checker'] } },
      ...(content === undefined ? { state: 'absent' as const } : { content }),
      ...mine,
    }),
  )
const apply = (resources: readonly Resource[], edit: (script: string) => string = (script) => script) => {
  const work = host.plan(...resources)
  const [first] = work
  if (first === undefined) throw new Error('nothing to do')
  const { kind } = resources[0] as Resource
  return host.apply(work, {
    ...kind,
    *apply(all: Parameters<typeof kind.apply>[0]) {
      const steps = kind.apply(all)
      for (let next = steps.next(); next.done !== true; )
        next = steps.next(
          yield next.value.do === 'shell' ? { ...next.value, script: edit(String(next.value.script)) as never } : next.value,
        )
    },
  })
}
const tree = (): string => host.sh('cd /etc/shop; for f in $(find . -type f | sort); do echo "$f $(cat $f)"; done')
const AS_BEFORE = './a.conf old\n./b.conf kept\n./sites/c.conf left\n'

describe.skipIf(!isRoot)('a set of files', () => {
  const CHANGE = { 'a.conf': 'new\n', 'sites/d.conf': 'added\n', 'sites/c.conf': undefined }

  it('is checked as a whole at the paths of the live files, before one of them is replaced', () => {
    const check = `cat /etc/shop/*.conf /etc/shop/sites/* >${host.at('seen')}; echo "$0" >>${host.at('seen')}`
    const resources = set(check, CHANGE)
    expect(apply(resources)).toBeUndefined()
    expect(host.sh('cat seen')).toBe('new\nkept\nadded\nchecker\n')
    expect(tree()).toBe('./a.conf new\n./b.conf kept\n./sites/d.conf added\n')
    expect(host.plan(...resources)).toEqual([])
    expect(host.sh('find T -mindepth 1 -type d; stat -c %a state/undo/shop; cat state/undo/shop/absent')).toBe(
      '700\n/etc/shop/sites/d.conf\n',
    )
  })

  it('is saved but for the files whose new content the service has loaded', () => {
    host.sh(`mkdir -p /run/provision/loaded
printf '%s\\n' 1 '${sha256Hex('new\n')}  /etc/shop/a.conf' 'absent /etc/shop/sites/d.conf' 'absent /etc/shop/sites/c.conf' >/run/provision/loaded/x.service`)
    expect(apply(set('true', { ...CHANGE, 'b.conf': 'changed\n' }))).toBeUndefined()
    expect(host.sh('tar -tf state/undo/shop/files.tar; cat state/undo/shop/absent').replaceAll(/\S*\/etc\//g, '/etc/')).toBe(
      '/etc/shop/b.conf\n/etc/shop/sites/d.conf\n',
    )
  })

  it('stays as it is if the checker rejects it', () => {
    const refused = apply(set('echo "line 3"; echo "of a.conf" >&2; exit 1', CHANGE))
    expect(refused).toMatchObject({
      what: 'shop rejected the new configuration',
      why: 'line 3\nof a.conf',
      fix: 'correct the content of these files in the role; nothing was changed, the service keeps its configuration',
    })
    expect([tree(), host.sh('find T -mindepth 1 -type d; ls -A state')]).toEqual([AS_BEFORE, ''])
  })

  it('is not written where it cannot be checked first', () => {
    host.program('unshare', 'echo "unshare failed: Operation not permitted" >&2; exit 1')
    expect(apply(set('true', CHANGE))).toMatchObject({
      what: 'configuration not written, because it cannot be checked first',
      why: 'unshare failed: Operation not permitted',
    })
    expect(tree()).toBe(AS_BEFORE)
  })

  it.each(['../../elsewhere', 'sites', '/etc/shop/sites'])('is not written below a link, which could lead out of it: %s', (target) => {
    host.sh(`mkdir elsewhere; : >elsewhere/y.conf; : >/etc/shop/sites/y.conf; ln -s ${target} /etc/shop/link`)
    for (const files of [{ 'link/x.conf': 'x\n' }, { 'link/y.conf': undefined }]) {
      const refused = apply(set('true', { 'a.conf': 'new\n', ...files }))
      expect(refused?.why).toContain('is below a link, which a set of files that is checked together must not contain')
    }
    expect(host.sh('cat /etc/shop/a.conf; ls elsewhere /etc/shop/sites')).toBe(
      'old\n/etc/shop/sites:\nc.conf\ny.conf\n\nelsewhere:\ny.conf\n',
    )
  })

  it('may lack the directory of a file that is declared absent', () => {
    host.sh('rm -r /etc/shop/sites')
    expect(apply(set('true', { 'a.conf': 'new\n', 'sites/c.conf': undefined }))).toBeUndefined()
    expect(tree()).toBe('./a.conf new\n./b.conf kept\n')
  })

  it('is restored if one of its files cannot be replaced', () => {
    // As the flag `immutable` of the old file does: EPERM.
    const refused = apply(set('true', { 'a.conf': 'new\n', 'b.conf': 'new\n' }), (script) =>
      script.replace('rename $one', '($one->{name} ne "b.conf" || !($! = 1)) && rename $one'),
    )
    expect(refused).toMatchObject({ what: '/etc/shop/b.conf not written', done: [], culprit: '/etc/shop/b.conf' })
    expect([tree(), host.sh('ls state/undo')]).toEqual([AS_BEFORE, ''])
  })

  it('is refused if somebody changed one of its files since the observation', () => {
    const resources = set(`: >${host.at('seen')}`, CHANGE)
    const work = host.plan(...resources)
    host.sh('echo theirs >/etc/shop/sites/c.conf')
    expect(host.apply(work, file.kind)?.why).toContain('/etc/shop/sites/c.conf is not as it was observed')
    expect([tree(), host.sh('ls -d seen 2>/dev/null')]).toEqual([AS_BEFORE.replace('left', 'theirs'), ''])
  })
})

describe('files of two sets', () => {
  it('are written in two requests, those of one set together', () => {
    const [a, b] = set('true', { 'a.conf': 'x', 'b.conf': 'x' })
    const [other] = set('true', { 'sites/c.conf': 'x' }).map((one) => ({ ...one, spec: { ...(one.spec as object), set: undefined } }))
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const work = [a, b, other].map((one) => ({ id: one?.id, spec: one?.spec, state: 'absent', change }))
    const doings: unknown[] = []
    const steps = file.kind.apply(work as never)
    for (let next = steps.next(); next.done !== true; next = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' }))
      doings.push(next.value.do === 'shell' && next.value.doing)
    expect(doings).toEqual(['checking the new configuration of shop', 'writing /etc/shop/sites/c.conf'])
  })
})

describe('the copy of a set', () => {
  const run = (script: unknown): void => expect(host.run(`set -e; ${script}`)).toMatchObject({ code: 0, stderr: '' })
  const save = (...names: readonly string[]): void =>
    run(
      saveScript(
        'shop',
        names.map((name) => `/etc/shop/${name}`),
      ),
    )

  it('holds what the service accepted last, however often its files are replaced', () => {
    host.sh('chmod 640 /etc/shop/a.conf; ln -s a.conf /etc/shop/l.conf; echo odd >"/etc/shop/a b*.conf"')
    save('a.conf', 'l.conf', 'new.conf', 'a b*.conf')
    host.sh('cd /etc/shop; for f in a.conf l.conf new.conf "a b*.conf"; do rm -f "$f"; echo second >"$f"; done')
    save('a.conf', 'new.conf', 'b.conf', 'l.conf', 'a b*.conf')
    host.sh('cd /etc/shop; rm -f b.conf; echo third >a.conf')
    run(restoreScript('shop'))
    expect(host.sh('cd /etc/shop; cat a.conf b.conf "a b*.conf"; readlink l.conf; stat -c %a a.conf; ls new.conf 2>/dev/null')).toBe(
      'old\nkept\nodd\na.conf\n640\n',
    )
    expect(host.sh('ls state/undo')).toBe('')
    run(restoreScript('shop'))
  })

  it('leaves out what the service has not loaded, because the new content is what it runs with', () => {
    host.sh(
      `mkdir -p /run/provision/loaded; printf '%s\\n' 1 '${'a'.repeat(64)}  /etc/shop/a.conf' 'absent /etc/shop/b.conf' >/run/provision/loaded/x.service`,
    )
    const digests = new Map([
      ['/etc/shop/a.conf', 'a'.repeat(64)],
      ['/etc/shop/b.conf', 'absent'],
      ['/etc/shop/sites/c.conf', 'b'.repeat(64)],
    ])
    run(saveScript('shop', [...digests.keys()], digests))
    expect(host.sh('tar -tf state/undo/shop/files.tar; cat state/undo/shop/absent').trim()).toMatch(/^\S*etc\/shop\/sites\/c\.conf$/)
    run(forgetScript('shop'))
    expect(host.sh('ls state/undo')).toBe('')
    run(saveScript('shop', ['/etc/shop/a.conf'], digests))
    expect(host.sh('ls state/undo')).toBe('')
  })
})

it('deletes what a killed run staged, and nothing else', () => {
  host.sh(
    `mkdir -p state other; cd /etc/shop; : >.a.provision-new; : >"-b c.provision-new"; ln -s ${host.at('other')} link; : >link/.d.provision-new`,
  )
  const staged = [
    '/etc/shop/.a.provision-new',
    '/etc/shop/-b c.provision-new',
    '/etc/shop/a.conf',
    '/etc/shop/link/.d.provision-new',
    '/nowhere/.x.provision-new',
  ]
  host.run(`printf '%s\\n' ${staged.map((path) => `'${path}'`).join(' ')} >/var/lib/provision/staged`)
  host.run(String(CLEAR_STAGED))
  expect(host.sh('ls -A /etc/shop other state')).toBe('/etc/shop:\na.conf\nb.conf\nlink\nsites\n\nother:\n.d.provision-new\n\nstate:\n')
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mergeDeclared } from '../../../../src/engine/plan/declared.ts'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { permissions } from '../../../../src/resource/file/permissions.ts'
import type { PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import { isRoot } from '../account/throwaway.ts'
import { type Here, here } from '../run-here.ts'

const { kind } = permissions
let host: Here
beforeEach(() => {
  host = here('/etc/shop')
  host.sh('mkdir -p etc/shop/data; echo key >etc/shop/key; chmod 644 etc/shop/key; chmod 755 etc/shop/data')
})
afterEach(() => host.remove())

const stat = (path: string): string => host.sh(`stat -c '%a %U %G' ${path}`).trim()
const apply = (...resources: readonly Resource[]) => {
  const work = host.plan(...resources)
  return { changes: work.map(({ id, change }) => `${id}: ${change.reason}`), refusal: host.apply(work, kind) }
}

describe.skipIf(!isRoot)('permissions', () => {
  it('change mode and owner of a file and a directory, and nothing else', () => {
    const declared = [
      permissions({ path: '/etc/shop/key', mode: '0640', owner: 'daemon' }),
      permissions({ path: '/etc/shop/data', group: 'daemon' }),
    ]
    const before = host.sh(`stat -c '%i %y' /etc/shop/key; cat /etc/shop/key`)
    expect(apply(...declared)).toEqual({
      changes: ['/etc/shop/key: mode and owner differ', '/etc/shop/data: group differs'],
      refusal: undefined,
    })
    expect([stat('/etc/shop/key'), stat('/etc/shop/data')]).toEqual(['640 daemon root', '755 root daemon'])
    expect(host.sh(`stat -c '%i %y' /etc/shop/key; cat /etc/shop/key`)).toBe(before)
    expect(host.plan(...declared)).toEqual([])
  })

  it('keep the bits of set-user-ID that are declared, although the owner changes', () => {
    expect(apply(permissions({ path: '/etc/shop/key', mode: '4750', owner: 'daemon' })).refusal).toBeUndefined()
    expect(stat('/etc/shop/key')).toBe('4750 daemon root')
  })

  it('of a path that changed since it was observed are left', () => {
    const work = host.plan(permissions({ path: '/etc/shop/key', mode: '600' }))
    host.sh(`chmod 666 /etc/shop/key`)
    expect(host.apply(work, kind)).toMatchObject({ why: expect.stringContaining('is not as it was observed') })
    expect(stat('/etc/shop/key')).toBe('666 root root')
  })

  it('of a link or a pipe are refused', () => {
    host.sh('cd etc/shop; ln -s key link; mkfifo pipe')
    for (const name of ['link', 'pipe']) {
      const work = host.plan(permissions({ path: `/etc/shop/${name}`, owner: 'daemon' }))
      expect(host.apply(work, kind)?.why, name).toMatch(/cannot be opened|neither a file nor a directory/)
    }
    expect(stat('/etc/shop/key')).toBe('644 root root')
  })

  it('in a directory of an account are set only for what it owns alone', () => {
    host.sh('cd etc/shop/data; : >mine; chown daemon:daemon . mine; : >roots; ln roots second; chown daemon second')
    const why = (path: string) => apply(permissions({ path, owner: 'root' })).refusal?.why
    expect(why('/etc/shop/data/roots')).toMatch(/has more than one name|belongs to/)
    host.sh('cd etc/shop/data; rm second; chown root roots')
    expect(apply(permissions({ path: '/etc/shop/data/roots', mode: '600' })).refusal?.why).toContain('belongs to root')
    expect(apply(permissions({ path: '/etc/shop/data/mine', mode: '600' })).refusal).toBeUndefined()
    expect(stat('/etc/shop/data/mine')).toBe('600 daemon daemon')
  })
})

describe('the plan of permissions', () => {
  const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
  const { spec } = permissions({ path: '/opt/shop/bin', mode: '750' })

  it('refuses a missing path, unless an earlier change may create it', () => {
    expect(kind.forbids?.(spec, 'absent', context)).toMatchObject({ what: '/opt/shop/bin does not exist' })
    expect(kind.forbids?.(spec, 'absent', { ...context, mayBringMore: true })).toBeUndefined()
    expect(kind.forbids?.(spec, 'absent', { ...context, changesBelow: (path) => path === '/opt/shop' })).toBeUndefined()
    expect(kind.plan(spec, 'absent', context)).toMatchObject({ certainty: 'dependent', differences: [{ key: 'mode', to: '750' }] })
  })

  it('refuses a link of root, and names where it leads', () => {
    const link = { type: 'l', mode: '777', owner: 'root', group: 'root', target: '/opt/shop/sbin' }
    expect(kind.forbids?.(spec, link, { ...context, isRootsAlone: () => true })).toMatchObject({
      what: '/opt/shop/bin is a symbolic link',
      fix: 'declare them for /opt/shop/sbin, where it leads',
    })
  })

  it.each(['file', 'link', 'directory'])('accepts a link that an earlier %s replaces', (other) => {
    const link = { type: 'l', mode: '777', owner: 'root', group: 'root', target: '/opt/shop/sbin' }
    const replaced = { ...context, isRootsAlone: () => true, changes: (key: string) => key === `${other}:/opt/shop/bin` }
    expect(kind.forbids?.(spec, link, replaced)).toBeUndefined()
    expect(kind.plan(spec, link, replaced)).toEqual({
      ...{ action: 'update', certainty: 'dependent', reason: 'a symbolic link, an earlier change may create it' },
      differences: [{ key: 'mode', to: '750' }],
    })
  })

  it('refuses another mode or owner than that of the resource which makes the path', () => {
    const of = (...resources: readonly Resource[]) =>
      mergeDeclared(
        'web-01',
        resources.map((resource) => ({ play: 0, role: 'shop', resource })),
      ).length
    const made = directory({ path: '/opt/shop/bin', owner: 'shop' })
    expect(() => of(made, permissions({ path: '/opt/shop/bin', mode: '750' }))).toThrow('different permissions')
    expect(() => of(made, permissions({ path: '/opt/shop/bin', owner: 'root' }))).toThrow('different permissions')
    expect(of(made, permissions({ path: '/opt/shop/bin', mode: '755', owner: 'shop' }))).toBe(2)
    const kept = file({ path: '/opt/shop/bin', content: 'x', overwrite: false })
    expect(of(kept, permissions({ path: '/opt/shop/bin', mode: '750' }))).toBe(2)
  })

  it.each([
    [{ path: '/a' }, 'must be set, or owner, or group'],
    [{ path: 'a', mode: '600' }, 'must be an absolute path'],
    [{ path: '/a', mode: 'u+x' }, 'must be an octal mode'],
  ])('refuses the options %j', (options, why) => {
    expect(() => permissions(options)).toThrow(why)
  })
})

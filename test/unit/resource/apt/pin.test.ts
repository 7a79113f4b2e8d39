import { describe, expect, it } from 'vitest'
import { aptPin } from '../../../../src/resource/apt/pin.ts'
import { asText, bytesOf } from '../../../../src/resource/kind/content.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import { context } from '../recorded.ts'

const OPTIONS = { name: 'nginx', packages: 'nginx*', site: 'nginx.org', priority: 900 }
const textOf = (options: object): string | undefined => {
  const content = aptPin.kind.content?.(aptPin.kind.schema.parse({ ...OPTIONS, ...options }))
  return content && asText(bytesOf(content))
}
const issues = (options: object): readonly string[] =>
  aptPin.kind.schema.safeParse({ ...OPTIONS, ...options }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

describe('a preference of apt', () => {
  it('is one record in a file that apt reads', () => {
    expect(aptPin.kind.files?.(aptPin(OPTIONS).spec)[0]?.path).toBe('/etc/apt/preferences.d/nginx.pref')
    expect(textOf({})).toBe('Package: nginx*\nPin: origin nginx.org\nPin-Priority: 900\n')
    expect(textOf({ packages: ['a', 'src:b'], site: undefined, version: '1.24.*', priority: -1 })).toBe(
      'Package: a src:b\nPin: version 1.24.*\nPin-Priority: -1\n',
    )
    expect(textOf({ packages: '*', site: undefined, release: { codename: 'bookworm-backports', origin: 'Debian Backports' } })).toBe(
      'Package: *\nPin: release n=bookworm-backports,o=Debian Backports\nPin-Priority: 900\n',
    )
  })

  it.each<[object, string]>([
    [{ version: '1.*' }, 'site: must be set, or site, or release: exactly one of them'],
    [{ site: undefined }, 'version: must be set, or site, or release: exactly one of them'],
    [{ site: undefined, release: {} }, 'release: must have at least one field'],
    [{ priority: 0 }, 'priority: must not be 0, which apt does not define'],
    [{ priority: undefined }, 'priority: is missing'],
    [{ packages: undefined }, 'packages: is missing'],
    [{ packages: 'nginx\nPin: x' }, 'packages: must be the name of a package, or a pattern such as nginx*'],
    [{ site: 'a b' }, 'site: must be the name of a server such as nginx.org'],
    [{ site: undefined, release: { label: 'x,a=y' } }, 'release.label: must be one line of text without commas'],
    [{ name: 'nginx.conf' }, 'name: must be a name of lower-case letters, digits, - and _'],
  ])('is refused with %j', (options, issue) => {
    expect(issues(options).map((one) => one.replace(/Invalid input/, ''))).toContain(issue)
  })

  it('makes the candidate of later packages unknown', () => {
    const state = { status: 'not-installed', version: '', held: false }
    const later = { ...context, changesBelow: (directory: string) => directory === '/etc/apt/preferences.d' }
    expect(pkg.kind.plan(pkg({ name: 'nginx' }).spec, state, later)).toMatchObject({ certainty: 'dependent' })
  })

  it('may be absent', () => {
    const { spec } = aptPin({ name: 'nginx', state: 'absent' })
    expect(aptPin.kind.plan(spec, 'absent', context)).toBeUndefined()
    const present = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
    expect(aptPin.kind.plan(spec, present, context)).toMatchObject({ action: 'delete' })
  })
})

import { describe, expect, it } from 'vitest'
import { ZodError } from 'zod'
import type { Event } from '../../../src/engine/events.ts'
import { faultsAhead, resourcesOf, type Surroundings } from '../../../src/engine/plan/resources.ts'
import { Problem, problemsIn } from '../../../src/problem.ts'
import { command } from '../../../src/resource/control/command.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { sha256Hex } from '../../../src/resource/kind/content.ts'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import type { Bindings, Bound } from '../../../src/role/bind.ts'
import type { Facts, HostContext, Role } from '../../../src/role/role.ts'

const facts = { codename: 'trixie' } as Facts

type Resources = Role['resources']
const motd = (content: string, path = '/etc/motd') => file({ path, content })

/** Roles on hosts: `[host, role, resources, playbook]`, and what they warn about. */
const surroundingsOf = (...bound: readonly (readonly [host: string, role: Role, playbook?: string, written?: object])[]) => {
  const events: Event[] = []
  const all = bound.map(([host, role, playbook = 'site.yaml', written = {}], play): Bound => {
    const whereOf = (path: readonly PropertyKey[]) => ({ file: 'playbooks/site.yaml', line: 7, key: path.join('.') })
    return {
      host,
      role,
      play,
      where: { file: playbook, line: 1 },
      context: { host: { name: host } },
      written: { value: written, whereOf },
    } as unknown as Bound
  })
  const identities = {
    acmeAccount: (role: string) => ({ key: `acme of ${role}` }),
    authority: (role: string) => ({ key: `authority of ${role}` }),
  }
  const surroundings = {
    bindings: { bound: all, flows: ['a flow'], exposed: ['a metric'] } as unknown as Bindings,
    files: (directory: string) => `files of ${directory}`,
    identities,
    listen: (event: Event) => events.push(event),
  }
  return { surroundings: surroundings as unknown as Surroundings, events }
}
const roleOf = (name: string, resources: Resources, more: Partial<Role> = {}): Role => ({ name, resources, ...more }) as Role

const keysOn = (host: string, surroundings: Surroundings): readonly string[] =>
  resourcesOf(host, facts, surroundings).map(({ play, role, resource }) => `${play} ${role} ${keyOf(resource)}`)
const faults = (surroundings: Surroundings, ...hosts: readonly string[]) =>
  faultsAhead(hosts, surroundings).map(({ message, class: sort }) => `${sort} ${message}`)

describe('the resources of a host', () => {
  it('are those of its roles in order, each behind the record of its role', () => {
    const app = roleOf('app', () => [motd('x')])
    const lb = roleOf('lb', () => [motd('y', '/etc/y')], { drains: () => undefined })
    const { surroundings } = surroundingsOf(['a', app], ['b', lb], ['a', lb])
    expect(keysOn('a', surroundings)).toEqual([
      '0 app owned:app',
      '0 app file:/etc/motd',
      '2 lb drained:lb',
      '2 lb owned:lb',
      '2 lb file:/etc/y',
    ])
    expect(keysOn('b', surroundings)).toEqual(['1 lb drained:lb', '1 lb owned:lb', '1 lb file:/etc/y'])
    expect(keysOn('c', surroundings)).toEqual([])
  })

  it('are recorded with every playbook that binds the role to this host', () => {
    const web = roleOf('web', () => [motd('y', '/etc/y')])
    const app = roleOf('app', () => [motd('x')])
    const { surroundings } = surroundingsOf(
      ['a', app, 'two.yaml'],
      ['a', app, 'one.yaml'],
      ['b', app, 'three.yaml'],
      ['a', web, 'four.yaml'],
    )
    const [record] = resourcesOf('a', facts, surroundings)
    expect(record?.resource.spec).toMatchObject({ role: 'app', playbooks: ['one.yaml', 'two.yaml'] })
  })

  it('see facts, flows, metrics, files and identities, and may warn', () => {
    const seen: unknown[] = []
    const role = roleOf('app', (context: HostContext<unknown>) => {
      seen.push(context.facts.codename, context.flows, context.exposed, context.files('x'))
      seen.push(context.acmeAccount({} as never).key, context.authority({} as never).key)
      context.warn('look')
      return []
    })
    const { surroundings, events } = surroundingsOf(['a', role])
    resourcesOf('a', facts, surroundings)
    expect(seen).toEqual(['trixie', ['a flow'], ['a metric'], 'files of x', 'acme of app', 'authority of app'])
    expect(events).toEqual([{ type: 'warning', host: 'a', role: 'app', what: 'look' }])
    faultsAhead(['a'], surroundings)
    expect(events).toHaveLength(1)
  })
})

describe('faults that need no facts', () => {
  it('are a contradiction between roles, and not one between hosts', () => {
    const [one, two] = ['1', '2'].map((content) => roleOf(`app${content}`, () => [motd(content)])) as [Role, Role]
    expect(faults(surroundingsOf(['a', one], ['b', two]).surroundings, 'a', 'b')).toEqual([])
    expect(faults(surroundingsOf(['a', one], ['a', two]).surroundings, 'a')).toEqual([
      'input a › file:/etc/motd: roles app1 and app2 declare this resource with different values',
    ])
    const twice = roleOf('app', () => [motd('1'), motd('2')])
    expect(faults(surroundingsOf(['a', twice]).surroundings, 'a')[0]).toContain('role app declares this resource twice')
  })

  it('are all reported together, also where facts are known', () => {
    const wrong = (error: unknown): readonly string[] => (problemsIn(error) ?? []).map(({ what }) => what)
    const thrown = (act: () => unknown): readonly string[] => {
      try {
        act()
        return []
      } catch (error) {
        return wrong(error)
      }
    }
    const app = roleOf('app', () => [file({ path: 'relative', content: 'x', mode: 'x' })])
    const shop = roleOf('shop', () => [motd('x', 'relative')])
    const { surroundings } = surroundingsOf(['a', app], ['a', shop])
    expect(thrown(() => resourcesOf('a', facts, surroundings))).toEqual([
      expect.stringMatching(/^role app declares an invalid resource: `path`/),
      expect.stringMatching(/^role app declares an invalid resource: `mode`/),
      expect.stringMatching(/^role shop declares an invalid resource: `path`/),
    ])
    const twice = roleOf('twice', () => ['/a', '/b', '/a', '/b'].map((path, i) => file({ path, content: String(i) })))
    expect(thrown(() => resourcesOf('a', facts, surroundingsOf(['a', twice]).surroundings))).toHaveLength(2)
    const unknown = roleOf('unknown', () => [command({ name: 'x', run: 'true', when: ['file:/none', 'file:/nil'] })])
    expect(thrown(() => resourcesOf('a', facts, surroundingsOf(['a', unknown]).surroundings))).toEqual([
      expect.stringContaining('`when` names file:/none'),
      expect.stringContaining('`when` names file:/nil'),
    ])
  })

  it('name the option that is missing, and the one that may be meant', () => {
    const texts = (options: object): readonly string[] => {
      const app = roleOf('app', () => [file(options as Parameters<typeof file>[0])])
      return faultsAhead(['a'], surroundingsOf(['a', app]).surroundings).map(
        ({ what, fix }) => `${what.replace('role app declares an invalid resource: ', '')}; ${fix}`,
      )
    }
    expect(texts({ path: '/etc/x', content: '', owners: 'ann' })).toEqual(['unknown option `owners` in file; did you mean `owner`?'])
    expect(texts({ pth: '/etc/x', content: '' })).toEqual([
      expect.stringMatching(/^`path` is missing in file; add `path: /),
      'unknown option `pth` in file; did you mean `path`?',
    ])
    expect(texts({ path: '/etc/x', content: '', mode: 'rw' })[0]).toMatch(/^`mode`: "rw" must be an octal mode/)
  })

  it('are an invalid resource, on each host that declares it', () => {
    const [invalid, valid] = [roleOf('app', () => [motd('x', 'relative')]), roleOf('ok', () => [motd('x')])]
    const found = faults(surroundingsOf(['a', invalid], ['b', invalid], ['c', valid]).surroundings, 'a', 'b', 'c')
    expect(found).toHaveLength(2)
    expect(found[0]).toMatch(/^input a › app: role app declares an invalid resource: `path`/)
    // Its stack shows the line of the role with --debug.
    expect(faultsAhead(['a'], surroundingsOf(['a', invalid]).surroundings)[0]?.cause).toBeInstanceOf(ZodError)
  })

  it('are not those of a role that reads a fact, however it reads it', () => {
    const reading: readonly Resources[] = [
      ({ facts: { codename } }) => [motd(codename, 'relative')],
      ({ facts: all }) => ('codename' in all ? [motd('x', 'relative')] : []),
      ({ facts: all }) => Object.keys(all).map((key) => motd(key, 'relative')),
      ({ facts: all }) => {
        try {
          return [motd(all.codename)]
        } catch (cause) {
          throw new Error('wrapped', { cause })
        }
      },
    ]
    for (const resources of reading) expect(faults(surroundingsOf(['a', roleOf('app', resources)]).surroundings, 'a')).toEqual([])
    expect(() => keysOn('a', surroundingsOf(['a', roleOf('app', reading[0] as Resources)]).surroundings)).toThrow('invalid resource')
  })

  it('name the option that names a file of the project', () => {
    const missing = roleOf('app', () => {
      throw new Problem({ class: 'input', where: { file: 'page/x' }, what: 'does not exist', why: 'no such file', fix: 'create it' })
    })
    const [found] = faultsAhead(['a'], surroundingsOf(['a', missing, 'site.yaml', { page: { root: 'page/x' } }]).surroundings)
    expect(found).toMatchObject({
      what: 'page/x: does not exist',
      why: 'no such file',
      where: { line: 7, key: 'page.root' },
      fix: 'create it',
    })
    const [other] = faultsAhead(['a'], surroundingsOf(['a', missing, 'site.yaml', { page: 'elsewhere' }]).surroundings)
    expect(other).toMatchObject({ what: 'does not exist', where: { file: 'page/x' } })
  })

  it('are defects of a role of provision as they are', () => {
    const broken = roleOf('app', () => {
      throw new TypeError('ours')
    })
    expect(() => faultsAhead(['a'], surroundingsOf(['a', broken]).surroundings)).toThrow('ours')
  })
})

it('a role has the answer to its own question among the facts', () => {
  const asking = roleOf('asking', ({ facts }) => [motd(`${JSON.stringify((facts as { own?: unknown }).own)} ${facts.codename}`)])
  const { surroundings } = surroundingsOf(['a', asking])
  const own = new Map<string, unknown>([
    ['asking', { n: 1 }],
    ['other', 2],
  ])
  const content = (given: Surroundings) => JSON.stringify(resourcesOf('a', facts, given).at(-1)?.resource.spec)
  expect(content({ ...surroundings, own })).toContain(JSON.stringify('{"n":1} trixie').slice(1, -1))
  expect(faults({ ...surroundings }, 'a')).toEqual([])
})

describe('a resource that names others in `when`', () => {
  const reload = (...when: readonly string[]) => command({ name: 'reload', run: 'reload', when: [...when] })
  const first = [motd('x'), motd('y', '/etc/app/y'), motd('z', '/etc/app/z'), directory({ path: '/srv/app' })]
  const triggersOf = (surroundings: Surroundings) =>
    resourcesOf('a', facts, surroundings).flatMap(({ resource }) =>
      (resource.kind.triggers?.keys(resource.spec) ?? []).map((key) => `${keyOf(resource)} ${key}`),
    )

  it.each([
    [['file:/etc/motd'], ['file:/etc/motd']],
    [
      ['/etc/app', '/etc/app/z', 'file:/etc/app/y'],
      ['file:/etc/app/y', 'file:/etc/app/z'],
    ],
    [['/srv'], ['directory:/srv/app']],
    [['/srv/app'], ['directory:/srv/app']],
  ])('has those of its host: %j', (when, keys) => {
    const { surroundings } = surroundingsOf(
      ['b', roleOf('other', () => [])],
      ['a', roleOf('one', () => first)],
      ['a', roleOf('app', () => [reload(...when)])],
    )
    expect(triggersOf(surroundings)).toEqual(keys.map((key) => `command:reload ${key}`))
    expect(faults(surroundings, 'a', 'b')).toEqual([])
  })

  it('has their files', () => {
    const { surroundings } = surroundingsOf(['a', roleOf('app', () => [motd('x'), reload('/etc/motd')])])
    expect(resourcesOf('a', facts, surroundings).at(-1)?.resource.spec).toMatchObject({
      triggers: [{ key: 'file:/etc/motd', files: [{ path: '/etc/motd', sha256: sha256Hex('x') }] }],
    })
  })

  it.each([
    ['file:/etc/mtod', 'file:/etc/mtod, which this host does not declare', 'did you mean `file:/etc/motd`?'],
    ['/etc/ap', '/etc/ap, which this host does not declare', '(available: /etc/motd, /etc/app/y'],
    [
      'package:other',
      'package:other, which this host does not declare',
      'declare the resource before this one, or correct the name (available: ',
    ],
    ['file:/etc/late', 'file:/etc/late, which is declared after this resource', 'move file:/etc/late before this resource'],
    ['/etc/late', '/etc/late, which is declared after this resource', 'move /etc/late before this resource'],
    ['command:reload', 'command:reload, which this host does not declare', ''],
    ['owned:app', 'owned:app, which this host does not declare', ''],
  ])('must not name %s', (name, what, fix) => {
    const app = roleOf('app', () => [...first, reload(name), motd('late', '/etc/late')])
    const { surroundings } = surroundingsOf(['b', roleOf('app', () => [motd('x', '/etc/b')])], ['a', app])
    const act = () => resourcesOf('a', facts, surroundings)
    expect(act).toThrow(expect.objectContaining({ class: 'input', where: { host: 'a', role: 'app', resource: 'command:reload' } }))
    expect(act).toThrow(expect.objectContaining({ what: `\`when\` names ${what}`, fix: expect.stringContaining(fix) }))
    expect(faults(surroundings, 'a', 'b')).toEqual([`input a › app › command:reload: \`when\` names ${what}`])
  })

  it('is checked ahead only on hosts where no role reads a fact', () => {
    const app = roleOf('app', () => [reload('file:/etc/x')])
    const reading = roleOf('reading', ({ facts: { codename } }) => [motd(codename, '/etc/x')])
    const { surroundings } = surroundingsOf(['a', reading], ['a', app], ['b', app])
    expect(faults(surroundings, 'a')).toEqual([])
    expect(faults(surroundings, 'b')).toHaveLength(1)
    expect(triggersOf(surroundings)).toEqual(['command:reload file:/etc/x'])
  })
})

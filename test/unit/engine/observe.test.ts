import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ACCOUNTS } from '../../../src/engine/observe/accounts.ts'
import { queryHost } from '../../../src/engine/observe/host-query.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { link } from '../../../src/resource/file/link.ts'
import type { Answers } from '../../../src/resource/kind/queries.ts'
import { sysctl } from '../../../src/resource/system/sysctl.ts'
import type { Script } from '../../../src/shell/script.ts'
import { sh as script } from '../../../src/shell/sh.ts'

const here = mkdtempSync(join(tmpdir(), 'provision-observe-'))
afterAll(() => rmSync(here, { recursive: true }))

const sh = (script: string): Buffer =>
  spawnSync('sh', ['-c', script], { env: { ...process.env, LC_ALL: 'C', T: mkdtempSync(join(tmpdir(), 'observe-')) } }).stdout
const resources = (...resources: Parameters<typeof queryHost>[1][number]['resource'][]) =>
  resources.map((resource) => ({ play: 0, role: 'r', resource }))

describe('the observation of a host', () => {
  it('reads every kind from one answer, including names with spaces, quotes and line breaks in their targets', () => {
    writeFileSync(join(here, "it's a file"), 'hello\n')
    symlinkSync('somewhere\nelse', join(here, 'link'))
    const look = queryHost(
      'web-01',
      resources(
        file({ path: join(here, "it's a file") }),
        file({ path: join(here, 'absent') }),
        directory({ path: here }),
        link({ path: join(here, 'link') }),
      ),
    )
    const seen = look.read(sh(look.script))
    expect(seen.get(`file:${here}/it's a file`)).toMatchObject({
      type: 'f',
      sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
    })
    expect(seen.get(`file:${here}/absent`)).toBe('absent')
    expect(seen.get(`directory:${here}`)).toMatchObject({ type: 'd', mode: '700' })
    expect(seen.get(`link:${here}/link`)).toMatchObject({ type: 'l', target: 'somewhere\nelse' })
  })

  it('never waits for a named pipe', () => {
    spawnSync('mkfifo', [join(here, 'pipe')])
    const look = queryHost('web-01', resources(file({ path: join(here, 'pipe') }), file({ path: join(here, "it's a file") })))
    const seen = look.read(sh(look.script))
    expect(seen.get(`file:${here}/pipe`)).toMatchObject({ type: 'p' })
    expect(seen.get(`file:${here}/it's a file`)).toHaveProperty('sha256')
  })

  it('keeps the answers about paths, digests, texts, units and accounts apart', () => {
    writeFileSync(join(here, 'text'), 'first\nsecond\n')
    const shared: unknown[] = []
    const kind = (name: string, own: string) => ({
      kind: {
        ...link.kind,
        name,
        accounts: () => ({ users: ['daemon'], groups: [] }),
        observe: () => ({
          shared: { inodes: [here], digests: [join(here, 'text')], texts: [join(here, 'text')], units: ['x.service'] },
          script: script`printf '%s' ${own}`,
          parse: (stdout: Buffer, { inodes, digests, texts, units }: Answers) => {
            shared.push([inodes.has(here), [...digests.values()].length, [...texts.values()], units.get('x.service')?.get('ActiveState')])
            return new Map([['x', stdout.toString()]])
          },
        }),
      },
      ...{ id: 'x', spec: { path: '/x' } },
    })
    const look = queryHost('web-01', resources(kind('one', 'of one') as never, kind('two', 'of two') as never))
    const seen = look.read(sh(`systemctl() { printf 'LoadState=loaded\nActiveState=active\n'; }\n${look.script}`))
    expect(shared).toEqual([0, 1].map(() => [true, 1, [['first', 'second']], 'active']))
    expect([seen.get('one:x'), seen.get('two:x'), seen.get(ACCOUNTS)]).toEqual([
      'of one',
      'of two',
      { users: new Set(['daemon']), groups: new Set() },
    ])
  })

  it('treats a truncated answer as no answer', () => {
    const look = queryHost('web-01', resources(file({ path: here }), directory({ path: here })))
    const answer = sh(look.script)
    for (const length of [0, 10, answer.length - 40, answer.length - 2])
      expect(() => look.read(answer.subarray(0, length))).toThrow(/web-01: host did not report the state/)
  })

  it('never treats a missing answer about a resource as its absence', () => {
    const look = queryHost('web-01', resources(directory({ path: here })))
    const silent = look.script.replace('find "$@"', ': "$@"').replaceAll(/for p .*/g, '')
    expect(look.read(sh(silent)).get(`directory:${here}`)).toMatchObject({ type: 'unreached' })
    expect(() => look.read(sh(''))).toThrow(/host did not report the state/)
  })

  it.each([
    ['could not be started', 'sha256sum', 'exit 126', /^digests: exit \d+: sha256sum ended early/],
    ['was killed after its answer', 'sha256sum', '/usr/bin/sha256sum "$@"; kill -9 $$', /^digests: exit \d+: sha256sum: status 9/],
    ['failed with words', 'find', 'echo no memory >&2; exit 2', /^paths: exit 1: no memory/],
    ['failed with words after others had answered', 'grep', 'echo no memory >&2; exit 3', /^texts: exit 1: no memory/],
  ])('does not read the silence of a program that %s', (_, program, stub, why) => {
    const bin = mkdtempSync(join(here, 'bin-'))
    writeFileSync(join(bin, program), `#!/bin/sh\n${stub}\n`, { mode: 0o755 })
    const look = queryHost('web-01', resources(file({ path: join(here, "it's a file") }), sysctl({ key: 'net.no.such', value: 1 })))
    const { stdout, status } = spawnSync('sh', ['-c', look.script], {
      env: { PATH: `${bin}:${process.env.PATH}`, LC_ALL: 'C', T: mkdtempSync(join(here, 'T-')) },
    })
    expect(() => look.read(stdout, status ?? 255)).toThrow(
      expect.objectContaining({ where: { host: 'web-01' }, why: expect.stringMatching(why) }),
    )
  })

  it('ends at a failed command of a kind, which the kind does not have to notice', () => {
    const asking = {
      kind: { ...link.kind, name: 'own', observe: () => ({ script: script`false; echo fine`, parse: () => new Map([['x', 'fine']]) }) },
      ...{ id: 'x', spec: { path: '/x' } },
    }
    const look = queryHost('web-01', resources(directory({ path: here }), asking))
    const { stdout, status } = spawnSync('sh', ['-c', look.script], { env: { ...process.env, T: mkdtempSync(join(here, 'T-')) } })
    expect(status).toBe(1)
    expect(() => look.read(stdout, status ?? 0)).toThrow(
      expect.objectContaining({ why: expect.stringMatching(/^own: exit 1: the host printed nothing/) }),
    )
  })

  it.each(['dash', 'bash'])(
    'asks %s about hundreds of kilobytes of paths without exceeding a command line',
    { timeout: 30_000 },
    (shell) => {
      const paths = Array.from({ length: 700 }, (_, i) => join(here, `${'n'.repeat(240)}${i}`))
      const present = paths.at(-1) ?? ''
      writeFileSync(present, 'hello\n')
      const look = queryHost('web-01', resources(...paths.map((path) => file({ path }))))
      const { stdout, status } = spawnSync(shell, [], {
        input: look.script,
        env: { ...process.env, LC_ALL: 'C', T: mkdtempSync(join(here, 'T-')) },
        maxBuffer: 1e8,
      })
      const seen = look.read(stdout, status ?? 255)
      expect([...seen.keys()].filter((key) => key.startsWith('file:'))).toHaveLength(700)
      expect(seen.get(`file:${paths[0]}`)).toBe('absent')
      expect(seen.get(`file:${present}`)).toHaveProperty('sha256')
      rmSync(present)
    },
  )

  it('runs the script of a kind that is plain text as it is, and accepts nothing else', () => {
    const asking = (script: unknown) => ({
      kind: {
        ...link.kind,
        name: 'own',
        observe: () => ({ script: script as Script, parse: (out: Buffer) => new Map([['x', `${out}`]]) }),
      },
      ...{ id: 'x', spec: { path: '/x' } },
    })
    const look = queryHost('web-01', resources(asking("printf 'a b'")))
    expect(look.read(sh(look.script)).get('own:x')).toBe('a b')
    expect(() => queryHost('web-01', resources(asking(undefined)))).toThrow(
      'a script must be written with the tag sh; it is of type undefined',
    )
  })

  it('knows which accounts exist, and asks directory services only for those that the local databases do not have', () => {
    const owned = (owner: string, group: string) => file({ path: join(here, owner), owner, group })
    const look = queryHost('web-01', resources(owned('daemon', 'adm'), owned('nosuch', 'nobody-here')))
    expect(look.read(sh(look.script)).get(ACCOUNTS)).toEqual({ users: new Set(['daemon']), groups: new Set(['adm']) })
    const asked = (...some: ReturnType<typeof owned>[]): string => {
      const { script } = queryHost('web-01', resources(...some))
      return sh(`getent() { echo "asked $*" >&2; echo 'nosuch:x:5:5:::'; echo "$1 $*" >>${join(here, 'asked')}; }\n${script}`).toString()
    }
    expect(asked(owned('daemon', 'adm'), owned('root', 'root'))).not.toContain('nosuch')
    expect(existsSync(join(here, 'asked'))).toBe(false)
    expect(asked(owned('nosuch', 'adm'), owned('daemon', 'root'))).toContain('passwd nosuch:x:5:5:::')
    expect(readFileSync(join(here, 'asked'), 'utf8')).toBe('passwd passwd -- nosuch\n')
  })

  it('does not take a directory service that fails for one without the account', () => {
    const look = queryHost('web-01', resources(file({ path: join(here, 'x'), owner: 'nosuch' })))
    expect(() => look.read(sh(`getent() { return 1; }\n${look.script}`))).toThrow(/host did not report the state/)
  })

  it('runs as many commands for two hundred files as for one', () => {
    const commands = (count: number): number => {
      const paths = Array.from({ length: count }, (_, i) => file({ path: join(here, `f${i}`) }))
      return queryHost('web-01', resources(...paths)).script.match(/\b(find|sha256sum) /g)?.length ?? 0
    }
    expect(commands(200)).toBe(commands(1))
  })
})

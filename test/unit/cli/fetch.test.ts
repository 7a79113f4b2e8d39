import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { command, readScript } from '../../../src/cli/ad-hoc/fetch.ts'
import { bytesOf } from '../../../src/cli/exec.ts'
import { MASK, Secret } from '../../../src/secret/secret.ts'
import { problemOf } from '../problem-of.ts'
import { project } from '../site/project.ts'
import { testContext } from './context.ts'

const run = (path: string) => spawnSync('sh', ['-c', readScript(path, false)])

test('a file is read byte for byte, and nothing but a regular file', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const root = project({ "it's a file": bytes, empty: '' })
  const read = run(join(root, "it's a file"))
  expect([read.status, read.stdout.equals(bytes)]).toEqual([0, true])
  expect(run(join(root, 'empty'))).toMatchObject({ status: 0, stdout: Buffer.from('') })
  for (const [path, what] of [
    [root, 'is not a regular file'],
    [join(root, 'none'), 'does not exist'],
  ] as const)
    expect([run(path).status, run(path).stderr.toString()]).toEqual([1, `${path} ${what}\n`])
})

const given = (positionals: readonly string[], values: object = {}) =>
  problemOf(() =>
    command.run(
      { positionals, rest: [], values: values as never },
      testContext({
        directory: project({ 'inventory/hosts.yaml': 'hosts: { a1: { address: local }, a2: { address: 192.0.2.1 } }\n' }),
        env: { HOME: '/nowhere', USER: 'ops' },
      }),
    ),
  )

test.each([
  [['all'], {}, 'no host pattern or path is given'],
  [['all', 'etc/motd'], {}, 'etc/motd is not an absolute path of a file'],
  [['all', '/etc/../shadow'], { into: 'x' }, '/etc/../shadow is not an absolute path of a file'],
  [['all', '/etc/'], {}, '/etc/ is not an absolute path of a file'],
  [['a1', '/etc/motd'], { json: true }, '--json needs --into'],
  [['all', '/etc/motd'], {}, 'all selects 2 hosts'],
])('the command line %s %s is refused', async (positionals, values, what) => {
  expect(await given(positionals, values)).toMatchObject({ class: 'input', what })
})

test.runIf(process.getuid?.() === 0)('a file is written below a directory, whole or not at all', async () => {
  const bytes = randomBytes(3_000_000)
  const source = join(project({ bytes }), 'bytes')
  const directory = project({ 'inventory/hosts.yaml': 'hosts: { a1: { address: local } }\n' })
  const printed: string[] = []
  const context = testContext({ directory, env: { HOME: '/nowhere', USER: 'root' }, out: (line: string) => printed.push(line) })
  const into = (path: string) =>
    command.run(
      { positionals: ['a1', path], rest: [], values: { into: 'out', json: true, inventory: 'inventory/hosts.yaml' } as never },
      context,
    )
  expect(await into(`${source}x`)).toMatchObject({ status: 1, problems: [{ what: `${source}x cannot be read` }] })
  expect(existsSync(join(directory, 'out'))).toBe(false)
  expect(await into(source)).toMatchObject({ status: 0, problems: [] })
  const file = join('out/a1', source)
  expect(readFileSync(join(directory, file)).equals(bytes)).toBe(true)
  expect(JSON.parse(printed.join(''))).toMatchObject({ file, bytes: 3_000_000, sha256: createHash('sha256').update(bytes).digest('hex') })
})

test('output is passed on byte for byte, with secrets masked wherever it is split', () => {
  new Secret('grün-gelb-4711')
  const bytes = Buffer.concat([Buffer.from([0, 255, 0x80]), Buffer.from('grün-gelb-4711'), Buffer.from([0xc3, 10])])
  const expected = Buffer.concat([Buffer.from([0, 255, 0x80]), Buffer.from(MASK), Buffer.from([0xc3, 10])])
  for (const cut of [1, 5, 8, bytes.length]) {
    const printed: Uint8Array[] = []
    const sink = bytesOf((some) => printed.push(some))
    sink.push(bytes.subarray(0, cut))
    sink.push(bytes.subarray(cut))
    sink.end()
    expect(Buffer.concat(printed).equals(expected)).toBe(true)
  }
})

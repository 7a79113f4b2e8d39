import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Problems } from '../../../../src/problem.ts'
import { isSecret, redacted } from '../../../../src/secret/secret.ts'
import { buildSite } from '../../../../src/site/build.ts'
import { readProject } from '../../../../src/site/read.ts'
import { project } from '../project.ts'

const built = async (value: string, script = '') => {
  const root = project({
    'inventory/hosts.yaml': `hosts: { one: { address: 192.0.2.1, vars: { sudo_password: "${value}", x_other: "${value}" } } }\n# ${value}\n`,
    helper: script,
  })
  return {
    root,
    site: async () => buildSite(await readProject({ root, env: { PATH: process.env.PATH }, playbooks: [] }), { knownRoles: [] }),
  }
}

test('a command reference runs its command once, in the project directory', async () => {
  const { root, site } = await built(`\${command:sh helper}`, 'echo x >>runs; printf "poison-command-1\\n"; echo to-nobody >&2')
  const password = (await site()).hosts.get('one')?.connection.sudoPassword
  expect(isSecret(password) && password.reveal()).toBe('poison-command-1')
  expect(redacted('it said poison-command-1')).toBe('it said •••')
  // Neither the second use nor the comment runs it again.
  expect(readFileSync(join(root, 'runs'), 'utf8')).toBe('x\n')
})

test.each([
  ['fails', 'echo poison-command-2; echo poison-command-2 >&2; exit 3', 'command `sh helper` failed with exit status 3'],
  ['prints nothing', 'echo', 'command `sh helper` printed nothing'],
  ['prints binary data', `printf '\\377poison-command-2'`, 'command `sh helper` printed data that is not UTF-8 text'],
  ['is killed', 'echo poison-command-2; kill -9 $$', 'command `sh helper` failed with exit status 137'],
  ['prints too much', 'yes poison-command-2', 'command `sh helper` printed more than 1 MB'],
])('a command that %s is reported with its position and without its output', async (_, script, what) => {
  const { root, site } = await built(`\${command:sh helper}`, script)
  writeFileSync(join(root, 'helper'), script)
  const error = await site().catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Problems)
  const [problem] = (error as Problems).problems
  expect(problem).toMatchObject({ what, class: 'input', where: { file: 'inventory/hosts.yaml', line: 1 } })
  // All of it: also message, stack and cause, which JSON leaves out.
  expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null })).not.toContain('poison')
})

test('a command reads nothing from the user, and prints nothing past the redactor', () => {
  const script = `const { commandSource } = await import(process.argv[1])
    const { secret } = commandSource('/', process.env)('cat; echo poison-command-3; echo poison-command-3 >&2')
    if (secret.reveal() !== 'poison-command-3') throw new Error('another value')`
  const source = fileURLToPath(new URL('../../../../src/site/reference/command-source.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, source], {
    input: 'typed by the user\n',
    encoding: 'utf8',
  })
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
})

test('an empty command is rejected', async () => {
  const { site } = await built(`\${command: }`)
  await expect(site()).rejects.toThrow('contains no command')
})

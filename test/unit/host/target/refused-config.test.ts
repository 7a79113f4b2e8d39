import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { refusedConfig } from '../../../../src/host/target/refused-config.ts'
import { resolveThroughSshConfig } from '../../../../src/host/target/ssh-config.ts'
import { problemOf } from '../../problem-of.ts'
import { scratch } from '../ssh/ssh-server.ts'

afterEach(() => void vi.unstubAllEnvs())

/** Lets ssh read this configuration, and returns its file. */
const configured = (text: string): string => {
  const directory = scratch()
  const file = join(directory, 'a config')
  writeFileSync(file, text)
  writeFileSync(join(directory, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${file}' "$@"\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  return file
}

// The words are those of the installed ssh.
test.each([
  ['UseKeychain yes', "setting usekeychain of ssh's configuration is unknown to ssh", /Bad configuration option: usekeychain/],
  ['Port none-such', 'configuration of ssh is invalid', /Bad (port|number) 'none-such'/],
  ['Ciphers rot13', 'configuration of ssh is invalid', /Bad SSH2 cipher spec 'rot13'/],
  ['IdentityFile "/open', 'configuration of ssh is invalid', /invalid quotes|missing argument/],
])('%s is an input problem with file and line', async (line, what, why) => {
  const file = configured(`Host web\n  ${line}\n`)
  expect(await problemOf(resolveThroughSshConfig('web'))).toMatchObject({
    ...{ class: 'input', where: { file, line: 2 }, what },
    why: expect.stringMatching(why),
  })
})

test('a token that ssh does not know is named', async () => {
  configured('UserKnownHostsFile /%z\n')
  const problem = await problemOf(resolveThroughSshConfig('web'))
  expect(problem).toMatchObject({ class: 'input', where: { command: 'ssh -G web' } })
  expect(problem.what).toBe("token %z of ssh's configuration is unknown to ssh")
  expect(problem.why).not.toContain('Pseudo-terminal')
})

test('a configuration that others can write is named, with the command that corrects it', () => {
  expect(refusedConfig({ host: 'web' }, 'Bad owner or permissions on /home/jane/.ssh/config\r\n')).toMatchObject({
    where: { file: '/home/jane/.ssh/config' },
    what: "file of ssh's configuration may be changed by other accounts",
    fix: 'correct its owner, and remove their permission: chmod go-w /home/jane/.ssh/config',
  })
})

test.each([
  ['command-line line 0: Bad configuration option: x\r\n', 'ssh on this machine refuses an option'],
  ['remote username contains invalid characters\r\n', 'ssh refuses the user name: it contains invalid characters'],
  ['hostname contains invalid characters\r\n', 'ssh refuses the host name: it contains invalid characters'],
  [
    'bind 192.0.2.1: Cannot assign requested address\r\nssh: connect to host web port 22: failure\r\n',
    'BindAddress or BindInterface of ssh’s configuration is not possible on this machine',
  ],
])('%j is an input problem of the host', (words, what) => {
  expect(refusedConfig({ host: 'web' }, words)).toMatchObject({
    class: 'input',
    where: { host: 'web' },
    what,
    why: words.trim().replace('\r', ''),
  })
})

test('other messages are about no configuration', () => {
  for (const words of ['', 'ssh: connect to host web port 22: Connection refused', 'ssh: Could not resolve hostname web: unknown'])
    expect(refusedConfig({ host: 'web' }, words)).toBeUndefined()
})

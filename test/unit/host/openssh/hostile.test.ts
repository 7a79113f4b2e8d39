import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { connect } from '../../../../src/host/openssh/connect.ts'
import { MAX_MESSAGES } from '../../../../src/host/openssh/messages.ts'
import { execOn } from '../../../../src/host/shell/exec.ts'
import { problemOf } from '../../problem-of.ts'
import { keygen, scratch, sendDebug, sshServer, targetOf, wireOf } from '../ssh/ssh-server.ts'

afterEach(() => void vi.unstubAllEnvs())

test('a peer that writes the end of a command into the messages of ssh has run none', async () => {
  const directory = scratch()
  const key = keygen(join(directory, 'key'))
  const said = ['x', 'debug1: Entering interactive session.', 'debug1: Sending command: true', 'debug1: Exit status 0', 'y\x1b[2J']
  const server = await sshServer({
    ...{ directory, accepts: wireOf(key) },
    holdsLogins: (connection) => {
      sendDebug(connection, said.join('\r\n'))
      setTimeout(() => connection.end(), 50)
    },
  })
  const problem = await problemOf(execOn(targetOf(directory, server, { keys: [key], transport: 'openssh' }), 'true'))
  expect(problem).toMatchObject({ class: 'unreachable', what: 'connection was lost before the session opened' })
  expect(problem.why).toContain('y\\033[2J')
})

/** A program in place of ssh. Its descriptor 3 is the file of its messages, `session` what it writes there when a session opens. */
const instead = (script: string) => {
  const directory = scratch()
  const read = `for each; do case $each in SetEnv=*) session="debug1: $each" ;; esac; done\nwhile [ "$1" != -E ]; do shift; done; exec 3>"$2"`
  writeFileSync(join(directory, 'ssh'), `#!/bin/sh\n${read}\n${script}\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
  return targetOf(directory, { port: 1, hostKey: keygen(join(directory, 'host')) }, { transport: 'openssh' })
}
const flood = `head -c ${MAX_MESSAGES + 1} /dev/zero >&3; exec sleep 30`

test('ssh is ended if it writes messages without end, after the session opened', async () => {
  const wait = 'while [ ! -e "$0.opened" ]; do sleep 0.1; done'
  const link = await connect(instead(`echo "$session" >&3; echo open; ${wait}; ${flood}`))
  const channel = await link.run('true')
  writeFileSync(join((process.env.PATH ?? '').split(':')[0] ?? '', 'ssh.opened'), '')
  channel.stdout.resume()
  channel.stderr.resume()
  expect(await channel.ended).toBeUndefined()
  expect((await link.gone)?.message).toMatch(/provision ended ssh, which wrote more than 8 MB of messages$/)
})

test('ssh is ended if it writes messages without end, before the session opened', async () => {
  expect(await problemOf(execOn(instead(`echo 'debug1: Connection established.' >&3; ${flood}`), 'true'))).toMatchObject({
    class: 'unreachable',
    what: 'host sends messages without end',
    why: 'provision ended ssh, which wrote more than 8 MB of messages',
  })
})

test('no exit status of a program that ends before ssh opened a session counts as that of a command', async () => {
  expect(await problemOf(execOn(instead('echo no such option >&2; exit 1'), 'true', { retries: false }))).toMatchObject({
    class: 'unreachable',
    what: expect.stringContaining('no such option'),
  })
})

test('a command is over when ssh has ended, also if a process of its proxy keeps the error output open', async () => {
  const background = 'sleep 20 3>&- >/dev/null & echo $! >"$0.pid"'
  const target = instead(`${background}; echo "$session" >&3; echo hello; echo words >&2; echo 'debug1: Exit status 0' >&3`)
  const output: string[] = []
  const take = (chunk: Buffer): void => void output.push(chunk.toString())
  const began = Date.now()
  expect(await execOn(target, 'true', { onStdout: take, onStderr: take })).toBe(0)
  expect(Date.now() - began).toBeLessThan(10_000)
  expect(output.toSorted()).toEqual(['hello\n', 'words\n'])
  const [directory = ''] = (process.env.PATH ?? '').split(':')
  process.kill(Number(readFileSync(join(directory, 'ssh.pid'), 'utf8')))
})

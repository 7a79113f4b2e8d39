import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describe as describeLock, lockedBy, nextStatus, takeLock } from '../../../../src/host/shell/lock.ts'

const word = 'a'.repeat(32)

test.each([
  [
    'waits',
    `${word} wait busy 3\n{"user":"me"}\n sh(12)\nmore`,
    { type: 'wait', rest: ['busy', '3'], holder: '{"user":"me"}', processes: 'sh(12)' },
  ],
  ['is locked', `${word} locked alive 3\n{}\n\n`, { type: 'locked', rest: ['alive', '3'], holder: '{}', processes: '' }],
  ['is open', `${word} open 10.0.0.1 5 10.0.0.2 22\n`, { type: 'open', rest: ['10.0.0.1', '5', '10.0.0.2', '22'] }],
])('the status of a shell that %s is parsed', (_, heard, status) => {
  expect(nextStatus(Buffer.from(heard))).toMatchObject(status)
})

test.each([
  ['half a status', `${word} wait busy 3\n{}\n`],
  ['bytes that come now and then', '\0\0\0'],
  ['a line of anything', 'garbage\n\n\n'],
  ['a status that there is not', `${word} soon busy 3\n{}\n\n`],
])('%s is not a status', (_, heard) => {
  expect(nextStatus(Buffer.from(heard))).toBeUndefined()
})

/** Runs the script that takes the lock, with `/run` in a scratch directory. `before` defines what the machine lacks. */
const taking = (before: string, { wait = false, beat = '', holder = '' } = {}) => {
  const run = mkdtempSync(join(tmpdir(), 'provision-lock-'))
  onTestFinished(() => rmSync(run, { recursive: true, force: true }))
  if (holder !== '') writeFileSync(join(run, 'provision.holder'), holder.replaceAll('RUN', run))
  if (beat !== '') writeFileSync(join(run, 'beat'), beat)
  const script = String(takeLock(word, wait)).replaceAll('/run/', `${run}/`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${before}\n${script}\necho taken`], { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}

test('a free lock is taken', () => {
  expect(taking('')).toEqual({ status: 0, stdout: 'taken\n', stderr: '' })
})

test.each([
  ['is missing', 'command() { return 1; }', 'flock is missing (package util-linux)\n'],
  ['cannot be executed', 'flock() { return 126; }', 'flock cannot be executed\n'],
  ['is not found', 'flock() { return 127; }', 'flock cannot be executed\n'],
])('a flock that %s ends the script at once, also while it would wait', (_, before, stderr) => {
  for (const wait of [false, true]) expect(taking(before, { wait })).toEqual({ status: 96, stdout: '', stderr })
})

test('a lock without a recorded holder is reported as taken a moment ago, and refused after two seconds', () => {
  const { status, stdout } = taking('flock() { return 1; }; sleep() { :; }')
  expect(status).toBe(75)
  expect(stdout.match(/^.* (wait|locked) unknown .*$/gm)).toHaveLength(10)
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ type: 'wait', rest: ['unknown', expect.any(String)], holder: '', processes: '' })
})

test.each([
  ['ended', 'RUN', '1'],
  ['ended', 'RUN', '4194304'],
])('the shell of a holder that is no process with the lock has %s', (state, directory, pid) => {
  const { stdout } = taking('flock() { [ "$1" = -n ] && return 1; kill $$; }', {
    holder: `${pid} ${directory} 1 2\n{"user":"jane"}\n`,
    beat: 'idle 1.00\n',
  })
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ type: 'wait', rest: [state, expect.any(String)], holder: '{"user":"jane"}' })
})

test('a holder is described for people, and an unreadable one as unknown', () => {
  const status = { length: 0, type: 'wait', rest: ['busy', '3'], processes: 'sh(12)' }
  const holder = JSON.stringify({ user: 'jane', machine: 'laptop', command: 'run', since: 'noon' })
  expect(describeLock({ ...status, holder })).toBe('locked by jane on laptop since noon (run): the run is executing a step (sh(12))')
  expect(describeLock({ ...status, holder: '{', processes: '' })).toBe('locked by an unknown run: the run is executing a step')
  const target = { name: 'web-01', address: 'a', port: 22, user: 'ops', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] } as const
  expect(lockedBy(target, { ...status, type: 'locked', holder, processes: '' })).toMatchObject({
    class: 'task',
    where: { host: 'web-01' },
    what: 'host is locked by jane on laptop since noon (run)',
    why: 'the run is executing a step; no process of it was found',
  })
})

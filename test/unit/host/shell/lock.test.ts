import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  ['is open without a connection', `${word} open \n`, { type: 'open', rest: [] }],
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

/** A process that holds a lock on its descriptor 9, as the shell of a run does. */
const holding = async (): Promise<ChildProcess> => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-held-'))
  const child = spawn('sh', ['-c', 'exec 9>"$0/lock"; flock -n 9; echo ready; read -r _', directory], { stdio: ['pipe', 'pipe', 'ignore'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}
const uptime = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
/** The script of a run that finds a lock: it says how it stands with the holder, and ends where it would wait. */
const ONCE = 'flock() { [ "$1" = -n ] && return 1; kill $$; }'

test.each<[string, string, number, string, { says: string; kills: boolean; waiting?: boolean }]>([
  ['sent a heartbeat a moment ago', 'idle', 25, '', { says: 'locked alive', kills: false }],
  ['sent a heartbeat a moment ago', 'idle', 25, '', { says: 'wait alive', kills: false, waiting: true }],
  ['sends no heartbeat any more', 'idle', 40, '', { says: 'wait silent', kills: true }],
  ['executes a step within its deadline', 'busy', 40, '1000 1:1', { says: 'wait busy', kills: false }],
  ['executes a step that its own controller may kill', 'busy', 600, '550 1:1', { says: 'wait busy', kills: false }],
  ['executes a step without a deadline', 'busy', 4000, '', { says: 'wait busy', kills: false }],
  ['has not said what it does', '', 0, '', { says: 'wait unknown', kills: false }],
])('a holder that %s (%s for %i s)', async (_, activity, age, more, { says, kills, waiting = false }) => {
  const child = await holding()
  const beat = activity === '' ? '' : `${activity} ${(uptime() - age).toFixed(2)} ${more}\n`
  const { stdout } = taking(`${ONCE}; sleep() { kill $$; }`, { holder: `${child.pid} RUN\n{}\n`, beat, wait: waiting })
  expect(stdout.split('\n')[0]).toMatch(new RegExp(`^${word} ${says} `))
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ holder: '{}' })
  if (kills) await once(child, 'exit')
  else expect(child.kill(0)).toBe(true)
})

test('a holder whose connection is gone is killed, and one whose connection is there is alive', async () => {
  const child = await holding()
  const beat = `idle ${uptime().toFixed(2)}\n`
  const holder = `${child.pid} RUN 50001 22\n{}\n`
  const connected = (client: string): string => `${ONCE}; grep() { case $2 in *'[0-9A-F]+:${client} 01 ') return 0;; esac; return 1; }`
  // Ports 22 and 50001, as the kernel writes them.
  expect(taking(connected('0016 [0-9A-F]+:C351'), { holder, beat }).stdout).toMatch(/ locked alive /)
  expect(child.kill(0)).toBe(true)
  expect(taking(connected('0016 [0-9A-F]+:C352'), { holder, beat }).stdout).toMatch(/ wait gone /)
  await once(child, 'exit')
})

test.each([
  ['of a run whose controller is silent', true, 'busy', 200],
  ['of a shell that has ended', false, 'busy', 110],
])('a step %s is killed with its children after its deadline', async (_, isAlive, activity, age) => {
  const child = await holding()
  if (!isAlive) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const job = spawn('sh', ['-c', 'sleep 60 & echo $!; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
  onTestFinished(() => void job.kill('SIGKILL'))
  const [line] = (await once(job.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const start = readFileSync(`/proc/${job.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')[19]
  const beat = `${activity} ${(uptime() - age).toFixed(2)} 100 ${job.pid}:${start}\n`
  const ended = Promise.all([once(job, 'exit'), isAlive && once(child, 'exit')])
  const { stdout } = taking(ONCE, { holder: `${child.pid} RUN\n{}\n`, beat })
  expect(stdout.split('\n')[0]).toMatch(/ wait overdue /)
  await ended
  // Its parent is dead, so it may remain as a zombie.
  const { stdout: state } = spawnSync('ps', ['-o', 'stat=', '-p', line.toString().trim()], { encoding: 'utf8' })
  expect(state).toMatch(/^(Z.*\n)?$/)
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

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describe as describeLock, holdLock, lockedBy, nextStatus, takeLock } from '../../../../src/host/shell/lock.ts'

const word = 'a'.repeat(32)
const TARGET = { name: 'web-01', address: 'a', port: 22, user: 'ops', keys: [], knownHosts: [], hostKeys: 'strict', jump: [] } as const

test.each([
  [
    'waits',
    `${word} wait busy 3\n{"user":"me"}\n sh(12)\nmore`,
    { length: 67, type: 'wait', rest: ['busy', '3'], holder: '{"user":"me"}', processes: 'sh(12)' },
  ],
  ['is locked', `${word} locked alive 3\n{}\n\n`, { length: 52, type: 'locked', rest: ['alive', '3'], holder: '{}', processes: '' }],
  [
    'is open',
    `${word} open 10.0.0.1 5 10.0.0.2 22\n`,
    { length: 61, type: 'open', rest: ['10.0.0.1', '5', '10.0.0.2', '22'], holder: '', processes: '' },
  ],
  ['is open without a connection', `${word} open \n`, { length: 39, type: 'open', rest: [], holder: '', processes: '' }],
])('the status of a shell that %s is parsed', (_, heard, status) => {
  expect(nextStatus(Buffer.from(heard))).toEqual(status)
})

test.each([
  ['a status behind something else', `\n${word} open \n`],
  ['half a status', `${word} wait busy 3\n{}\n`],
  ['bytes that come now and then', '\0\0\0'],
  ['a line of anything', 'garbage\n\n\n'],
  ['a status that there is not', `${word} soon busy 3\n{}\n\n`],
])('%s is not a status', (_, heard) => {
  expect(nextStatus(Buffer.from(heard))).toBeUndefined()
})

/** A `/run` with what a holder left there. */
const runWith = ({ beat = '', holder = '' } = {}): string => {
  const run = mkdtempSync(join(tmpdir(), 'provision-lock-'))
  onTestFinished(() => rmSync(run, { recursive: true, force: true }))
  writeFileSync(join(run, 'uptime'), `${NOW}.75 1.00\n`)
  if (holder !== '') writeFileSync(join(run, 'provision.holder'), holder.replaceAll('RUN', run))
  if (beat !== '') writeFileSync(join(run, 'beat'), beat)
  return run
}
const NOW = 5000
/** The environment of root may have any variable. */
const VARIABLES = ['pid', 'holder', 'activity', 'beaten', 'seconds', 'job', 'rounds', 'holders']
const env = {
  ...process.env,
  ...Object.fromEntries(VARIABLES.map((name) => [name, '7:7'])),
  ...{ shell: String(process.pid), latest: '999999999999' },
}

/** Runs the script that takes the lock, with `/run` in a scratch directory. `before` defines what the machine lacks. */
const taking = (before: string, { wait = false, beat = '', holder = '', run = runWith({ beat, holder }) } = {}) => {
  const script = String(takeLock(word, wait)).replaceAll('/run/', `${run}/`).replaceAll('/proc/uptime', `${run}/uptime`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${before}\n${script}\necho taken`], { encoding: 'utf8', timeout: 20_000, env })
  return { status, stdout, stderr }
}

test('a free lock is taken', () => {
  expect(taking('')).toEqual({ status: 0, stdout: 'taken\n', stderr: '' })
})

test('without /run nothing is taken', () => {
  const { status, stdout, stderr } = taking('', { run: '/nowhere' })
  expect([status === 0, stdout]).toEqual([false, ''])
  expect(stderr).toContain('/nowhere/provision.lock')
})

test.each([
  ['is missing', 'command() { return 1; }', 'flock is missing (package util-linux)\n'],
  ['cannot be executed', 'flock() { return 126; }', 'flock cannot be executed\n'],
  ['is not found', 'flock() { return 127; }', 'flock cannot be executed\n'],
])('a flock that %s ends the script at once, also while it would wait', (_, before, stderr) => {
  for (const wait of [false, true]) expect(taking(before, { wait })).toEqual({ status: 96, stdout: '', stderr })
})

test('a lock without a recorded holder is reported as taken a moment ago, and refused after two seconds', () => {
  const { status, stdout, stderr } = taking('flock() { return 1; }; sleep() { printf "%s\\n" "slept $1"; }')
  expect([status, stderr]).toEqual([75, ''])
  expect(stdout.match(/^.* wait unknown .*$/gm)).toHaveLength(9)
  expect(stdout.match(/^.* locked unknown .*$/gm)).toHaveLength(1)
  expect(stdout.match(/^slept 0.2$/gm)).toHaveLength(9)
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ type: 'wait', rest: ['unknown', '5000'], holder: '', processes: '' })
})

test('a run that waits is patient with a lock that was taken a moment ago', () => {
  const { stdout } = taking('flock() { return 1; }; sleep() { n=$((n+1)); [ "$n" -lt 20 ] || kill $$; }', { wait: true })
  expect(stdout.match(/^.* wait unknown .*$/gm)).toHaveLength(20)
})

test('a run that cannot report its status any more ends', () => {
  expect(taking("trap '' PIPE; flock() { return 1; }; sleep() { kill $$; }; exec >/dev/full", { wait: true })).toMatchObject({
    status: 95,
    stdout: '',
  })
})

test.each(['1', '4194304'])('the shell of a holder that is no process with the lock (%s) has ended', (pid) => {
  const holder = '{"user":"jane","command":"run \\"a\\\\b\\""}'
  const { stdout, stderr } = taking(ONCE, { holder: `${pid} RUN 1 2\n${holder}\n`, beat: 'idle 1.00\n' })
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ type: 'wait', rest: ['ended', '4999'], holder, processes: '' })
  expect(stderr).toBe('')
})

/** A process that holds a lock on its descriptor 9, as the shell of a run does. It ignores SIGTERM. */
const holding = async (file?: string, command = 'sh'): Promise<ChildProcess> => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-held-'))
  symlinkSync('/bin/sh', join(directory, command))
  const script = `trap '' TERM; exec 9>>"$0"; flock -n 9; echo ready; read -r _`
  const child = spawn(join(directory, command), ['-c', script, file ?? join(directory, 'lock')], { stdio: ['pipe', 'pipe', 'ignore'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}
/** The script of a run that finds a lock: it prints the state of the holder, and ends where it would wait. */
const ONCE = 'flock() { [ "$1" = -n ] && return 1; kill $$; }'

test('processes with the lock are named', async () => {
  const run = runWith()
  const file = join(run, 'provision.lock')
  const [holder] = [await holding(file, 'a\\b'), await holding()]
  const { stdout, stderr } = taking('flock() { [ "$1" = -n ] || kill $$; command flock "$@"; }; sleep() { kill $$; }', { run })
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ rest: ['unknown', '5000'], processes: `a\\b(${holder.pid})` })
  expect(stderr).toBe('')
})

test('the lock is taken as soon as the last process with it has ended', async () => {
  const run = runWith({ holder: '4194304 RUN 1 2\n{}\n', beat: 'busy 4990.00 600 4194304:1\n' })
  await holding(join(run, 'provision.lock'))
  const { status, stdout } = taking('flock() { [ "$1 $2" != "-w 2" ] || kill -9 "$(echo "$holders" | tr -dc 0-9)"; command flock "$@"; }', {
    run,
  })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^\w+ wait ended 10\n\{\}\n sh\(\d+\)\ntaken\n$/)
})

test.each<[string, string, number, string, { says: string; kills: boolean; waiting?: boolean }]>([
  ['sent a heartbeat a moment ago', 'idle', 30, '', { says: 'locked alive', kills: false }],
  ['sent a heartbeat a moment ago', 'idle', 30, '', { says: 'wait alive', kills: false, waiting: true }],
  ['sends no heartbeat any more', 'idle', 31, '', { says: 'wait silent', kills: true }],
  ['executes a step within its deadline', 'busy', 40, '1000 1:1', { says: 'wait busy', kills: false }],
  ['executes a step that its own controller may kill', 'busy', 190, '100 1:1', { says: 'wait busy', kills: false }],
  ['executes a step without a deadline', 'busy', 4000, '', { says: 'wait busy', kills: false }],
  ['executes a step that its controller should have killed', 'busy', 191, '100 4194304:1', { says: 'wait overdue', kills: true }],
  ['has not said what it does', '', 0, '', { says: 'wait unknown', kills: false }],
])('a holder that %s (%s for %i s)', async (_, activity, age, more, { says, kills, waiting = false }) => {
  const child = await holding()
  const beat = activity === '' ? '' : `${activity} ${NOW - age}.99 ${more}\n`
  const { stdout, stderr } = taking(`${ONCE}; sleep() { kill $$; }`, { holder: `${child.pid} RUN\n{}\n`, beat, wait: waiting })
  expect(stdout.split('\n')[0]).toBe(`${word} ${says} ${activity === '' ? NOW : age}`)
  expect(nextStatus(Buffer.from(stdout))).toMatchObject({ holder: '{}' })
  expect(stderr).toBe('')
  if (kills) await once(child, 'exit')
  else expect(child.kill(0)).toBe(true)
})

test('a run waits fifteen minutes for the step of another, or as long as it takes', async () => {
  const child = await holding()
  const holder = `${child.pid} RUN\n{}\n`
  const states = (wait: boolean) => {
    const run = runWith({ holder, beat: `busy ${NOW - 40}.00 100000 1:1\n` })
    const before = `flock() { [ "$1" = -n ] && return 1; n=$((n+1)); case $n in 1) echo 5899.99 0 ;; 2) echo 5900.00 0 ;; *) kill $$ ;; esac >${run}/uptime; false; }`
    const { status, stdout } = taking(before, { wait, run })
    return [status, ...(stdout.match(/ (wait|locked) busy \d+$/gm) ?? [])]
  }
  expect(states(false)).toEqual([75, ' wait busy 40', ' wait busy 939', ' locked busy 940'])
  expect(states(true)).toEqual([null, ' wait busy 40', ' wait busy 939', ' wait busy 940'])
})

test('a holder whose connection is gone is killed, and one whose connection is there is alive', async () => {
  const child = await holding()
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  const beat = `idle ${NOW}.00\n`
  const holder = `${child.pid} RUN ${client.localPort} ${port}\n{}\n`
  expect(taking(ONCE, { holder, beat }).stdout).toMatch(/ locked alive /)
  expect(child.kill(0)).toBe(true)
  client.resetAndDestroy()
  await new Promise((closed) => server.close(closed))
  expect(taking(ONCE, { holder, beat }).stdout).toMatch(/ wait gone /)
  await once(child, 'exit')
})

test.each([
  ['of a run whose controller is silent', true, 'busy', 191],
  ['of a shell that has ended', false, 'busy', 101],
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
  const beatOf = (seconds: number): string => `${activity} ${NOW - seconds}.00 100 ${job.pid}:${start}\n`
  const holder = `${child.pid} RUN\n{}\n`
  expect(taking(ONCE, { holder, beat: beatOf(age - 1) }).stdout).toMatch(isAlive ? / wait busy / : / wait ended /)
  expect(job.kill(0)).toBe(true)
  const ended = Promise.all([once(job, 'exit'), isAlive && once(child, 'exit')])
  const { stdout } = taking(ONCE, { holder, beat: beatOf(age) })
  expect(stdout.split('\n')[0]).toMatch(/ wait overdue /)
  await ended
  // Its parent is dead, so it may remain as a zombie.
  const { stdout: state } = spawnSync('ps', ['-o', 'stat=', '-p', line.toString().trim()], { encoding: 'utf8' })
  expect(state).toMatch(/^(Z.*\n)?$/)
})

test('a step whose controller is gone is killed at its deadline', async () => {
  const child = await holding()
  const holder = `${child.pid} RUN 1 2\n{}\n`
  const beatOf = (seconds: number): string => `busy ${NOW - seconds}.00 100 4194304:1\n`
  expect(taking(ONCE, { holder, beat: beatOf(100) }).stdout).toMatch(/ wait gone 100$/m)
  await once(child, 'exit')
  const other = await holding()
  expect(taking(ONCE, { holder: holder.replace(String(child.pid), String(other.pid)), beat: beatOf(101) }).stdout).toMatch(
    / wait overdue 101$/m,
  )
})

test('the holder of the lock is recorded, with what its shell does, and directories of dead shells are deleted', () => {
  const run = runWith()
  for (const name of ['provision.4194304.aaaa', `provision.${process.pid}.bbbb`, 'provision.lock', 'provision.x'])
    mkdirSync(join(run, name))
  const holder = { user: 'jane', machine: 'laptop', command: 'run "a\\b"', since: 'noon' }
  const script = `T=${run}/provision.$$.cccc; mkdir "$T"; connection='10.0.0.1 5 10.0.0.2 22'
${holdLock(holder)}
echo $$; cat "$T/beat"
( begin 30; printf '[%s]\\n' "$stat$process$deadline$uptime"; cat "$T/beat"; read -r line </proc/self/stat; echo "$line" )
beat idle; cat "$T/beat" ${run}/provision.holder; ls ${run}`
    .replaceAll(/(?<![a-z])\/run\//g, `${run}/`)
    .replaceAll('/proc/uptime', `${run}/uptime`)
  const { stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env })
  const [pid, idle, leaked, busy = '', stat = '', idleAgain, recorded, json, ...names] = stdout.split('\n')
  expect(stderr).toBe('')
  expect([idle, leaked, idleAgain]).toEqual(['idle 5000.75', '[]', 'idle 5000.75'])
  const [, busyProcess, start] = /^busy 5000\.75 30 (\d+):(\d+)$/.exec(busy) ?? []
  expect([busyProcess, start]).toEqual([stat.split(' ')[0], stat.replace(/^.*\) /, '').split(' ')[19]])
  expect(recorded).toBe(`${pid} ${run}/provision.${pid}.cccc 5 22`)
  expect(JSON.parse(json ?? '')).toEqual(holder)
  expect(names.filter((name) => name.startsWith('provision.')).toSorted()).toEqual(
    [`provision.${process.pid}.bbbb`, `provision.${pid}.cccc`, 'provision.holder', 'provision.lock', 'provision.x'].toSorted(),
  )
})

test.each([
  ['ended', 'the run has ended, and its last step is still running'],
  ['gone', 'the controller of the run is gone'],
  ['silent', 'the controller of the run sends no heartbeat'],
  ['busy', 'the run is executing a step'],
  ['overdue', 'the last step of the run has exceeded its deadline and is being killed'],
  ['alive', 'the run is alive'],
  ['unknown', 'the lock was taken a moment ago'],
  ['odd', 'odd'],
])('the state %s is explained', (state, words) => {
  const status = { length: 0, type: 'wait', rest: [state, '3'], holder: '', processes: '' }
  expect(describeLock(status)).toBe(`locked by an unknown run: ${words}`)
  expect(lockedBy(TARGET, status).why).toBe(`${words}; no process of it was found`)
})

test('a holder is described for people, and an unreadable one as unknown', () => {
  const status = { length: 0, type: 'wait', rest: ['busy', '3'], processes: 'sh(12)' }
  const holder = JSON.stringify({ user: 'jane', machine: 'laptop', command: 'run', since: 'noon' })
  expect(describeLock({ ...status, holder })).toBe('locked by jane on laptop since noon (run): the run is executing a step (sh(12))')
  expect(describeLock({ ...status, holder: '{', processes: '' })).toBe('locked by an unknown run: the run is executing a step')
  expect(lockedBy(TARGET, { ...status, type: 'locked', holder, processes: '' })).toMatchObject({
    class: 'task',
    where: { host: 'web-01' },
    what: 'host is locked by jane on laptop since noon (run)',
    why: 'the run is executing a step; no process of it was found',
  })
})

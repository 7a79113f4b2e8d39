import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openSessions } from '../../src/engine/observe/session.ts'
import { openShell } from '../../src/host/shell/open.ts'
import { problemOf } from '../unit/problem-of.ts'
import { bootHosts, endHosts, HOST, holder, onHost, SUBNET, target, textOf, through } from './support/bare-hosts.ts'
import { type Relay, relayTo } from './support/network/relay.ts'

beforeAll(bootHosts)
afterAll(endHosts)

let relay: Relay
beforeEach(async () => {
  relay = await relayTo(HOST)
})
afterEach(() => relay.close())

// The heartbeat contains the uptime of its creation, so that the test can age it instead of waiting half a minute.
const FORGET_BEAT = 'for beat in /run/provision.*/beat; do read -r state _ <"$beat"; echo "$state 1.00" >"$beat"; done'

const run = (command: string, otherwise = {}) => openShell(target(), { lock: holder(command), ...otherwise })

test('a live run excludes other runs, which report its holder', async () => {
  const first = await run('provision run --role nginx')
  const problem = await problemOf(run('second'))
  expect(problem).toMatchObject({
    class: 'task',
    where: { host: 'h1' },
    what: 'host is locked by me on here since 2026-11-23T10:00:00Z (provision run --role nginx)',
  })
  expect(problem.why).toMatch(/alive.*sh\(\d+\)/)
  // A dry run needs no lock, and both continue.
  expect(await onHost('echo looks')).toBe('looks')
  expect(textOf(await first.request('echo on'))).toBe('on\n')
  await first.close()
  await (await run('third')).close()
})

test('a waiting run starts after the end of the other', async () => {
  const first = await run('first')
  const heard: string[] = []
  const waiting = run('second', { wait: true, onWaiting: (who: string) => heard.push(who) })
  await expect.poll(() => heard.length).toBeGreaterThan(0)
  expect(heard[0]).toContain('me on here since 2026-11-23T10:00:00Z (first)')
  // A waiting run is not listed among the holders.
  expect((await problemOf(run('third'))).why).toMatch(/: sh\(\d+\)$/)
  const last = await first.request('echo last')
  await first.close()
  const second = await waiting
  expect([textOf(last), textOf(await second.request('echo mine'))]).toEqual(['last\n', 'mine\n'])
  await second.close()
})

test('runs that wait for the same hosts run one after the other, in any order of hosts', async () => {
  const hosts = [target(), target({ name: 'h2', address: `${SUBNET}.12` })]
  const go = async (names: typeof hosts): Promise<void> => {
    const options = { listen: () => {}, signal: new AbortController().signal, lock: holder('a run'), wait: true }
    const sessions = await Promise.all(openSessions(names, options).values())
    await Promise.all(sessions.map(({ shell }) => shell.close()))
  }
  await Promise.all([go(hosts), go(hosts.toReversed()), go(hosts), go(hosts.toReversed())])
}, 30_000)

test('a waiting run can be interrupted', async () => {
  const first = await run('first')
  const stop = new AbortController()
  const waiting = run('second', { wait: true, signal: stop.signal, onWaiting: () => stop.abort(new Error('stopped')) })
  await expect(waiting).rejects.toThrow('stopped')
  expect(textOf(await first.request('echo on'))).toBe('on\n')
  await first.close()
  await (await run('third')).close()
})

test.each(['ssh2', 'openssh'] as const)(
  'the current step of a dead controller ends, its queued requests do not begin, and the next run waits without --wait (%s)',
  async (transport) => {
    await onHost('rm -f /tmp/begun')
    const dead = await openShell({ ...through(relay.port), transport }, { lock: holder('dead') })
    const begun = new Promise<void>((begin) => {
      dead.request('echo begun; sleep 2; echo still; touch /tmp/begun', { onLine: () => begin() }).catch(() => {})
    })
    const queued = problemOf(dead.request('touch /tmp/queued'))
    await begun
    relay.cut()
    expect(await queued).toMatchObject({ class: 'unreachable' })
    const heard: string[] = []
    const next = await run('next', { onWaiting: (who: string) => heard.push(who) })
    expect(heard[0]).toMatch(/\(dead\): the controller of the run is gone \(.*sleep/)
    expect(textOf(await next.request('ls /tmp/begun /tmp/queued 2>/dev/null'))).toBe('/tmp/begun\n')
    await next.close()
    await dead.close()
  },
)

const hangs = async (deadlineMs: number) => {
  const dead = await openShell(through(relay.port), { lock: holder('dead') })
  const begun = new Promise<void>((begin) => {
    const script = `echo begun; (trap '' TERM; sleep 4001; sleep 4001) & sleep 4001; touch /tmp/whole`
    dead.request(script, { deadlineMs, onLine: () => begin() }).catch(() => {})
  })
  await begun
  return dead
}
const SLEEPERS = `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | grep '^sleep 4001' || :`

test('the last step of a dead controller ends at its deadline, with all its child processes', async () => {
  const dead = await hangs(6_000)
  relay.cut()
  const heard: string[] = []
  const next = await run('next', { onWaiting: (who: string) => heard.push(who) })
  expect(heard[0]).toMatch(/\(dead\): the controller of the run is gone \(.*sleep/)
  expect(heard.at(-1)).toMatch(/\(dead\): the last step of the run has exceeded its deadline and is being killed \(.*sleep/)
  expect(textOf(await next.request(SLEEPERS))).toBe('')
  expect(textOf(await next.request('ls /tmp/whole 2>/dev/null; :'))).toBe('')
  await next.close()
  await dead.close()
})

test('… also on a silent network, after the time in which a living controller would have killed it', async () => {
  const silent = await hangs(60_000)
  relay.silence()
  const older = (seconds: number): string =>
    `for beat in /run/provision.*/beat; do read -r state at rest <"$beat"; echo "$state $((\${at%.*} - ${seconds})) $rest" >"$beat"; done`
  await onHost(older(100))
  const problem = await problemOf(run('too early', { patienceMs: 5_000 }))
  expect(problem).toMatchObject({ class: 'unreachable' })
  await onHost(older(60))
  const next = await run('next')
  expect(textOf(await next.request(SLEEPERS))).toBe('')
  await next.close()
  relay.resume()
  await silent.close()
})

test('a process that outlives its shell keeps the lock, and waiting runs name it', async () => {
  const killed = await run('killed')
  await problemOf(killed.request('sleep 1.5 >/dev/null 2>&1 & kill -9 "$$"'))
  const heard: string[] = []
  const next = await run('next', { onWaiting: (who: string) => heard.push(who) })
  expect(heard[0]).toMatch(/\(killed\): the run has ended, and its last step is still running \(sleep\(\d+\)\)$/)
  await next.close()
  await killed.close()
})

test('a silent controller loses the lock, and cannot write after its return', async () => {
  const silent = await openShell(through(relay.port), { lock: holder('silent') })
  await silent.request('touch /tmp/before')
  relay.silence()
  const late = problemOf(silent.request('touch /tmp/late'))
  expect(await problemOf(run('too early'))).toMatchObject({ class: 'task' })
  await onHost(FORGET_BEAT)
  const next = await run('next')
  relay.resume()
  expect(await late).toMatchObject({ class: 'unreachable' })
  expect(textOf(await next.request('ls /tmp/before /tmp/late 2>/dev/null'))).toBe('/tmp/before\n')
  await next.close()
  await silent.close()
})

test('a controller in a long step does not count as silent', async () => {
  const busy = await run('busy')
  const step = busy.request('sleep 3; echo whole')
  await onHost(`sleep 0.3; ${FORGET_BEAT}`)
  const heard: string[] = []
  const problem = await problemOf(run('second', { onWaiting: (who: string) => heard.push(who) }))
  expect(heard[0]).toContain('the run is executing a step')
  expect(problem).toMatchObject({ class: 'task', what: expect.stringContaining('(busy)') })
  expect(textOf(await step)).toBe('whole\n')
  expect(textOf(await busy.request('echo on'))).toBe('on\n')
  await busy.close()
})

test('the next run deletes the remains of killed runs', async () => {
  const killed = await run('killed')
  await problemOf(killed.request('kill -9 "$$"'))
  await killed.close()
  const looking = await openShell(target())
  const next = await run('next')
  const left = (await next.request('ls -d /run/provision.[0-9]*; echo "$T"')).stdout.toString().trim().split('\n')
  expect(new Set(left)).toEqual(new Set([textOf(await looking.request('echo "$T"')).trim(), left.at(-1)]))
  await next.close()
  await looking.close()
})

test('… also of a shell that has ended and was not reaped by its parent', async () => {
  // The parent never reaps it.
  const unreaped = `$p = fork; exit if !$p; mkdir "/run/provision.$p.deadbeef"; sleep 20`
  await onHost(`perl -e '${unreaped}' >/dev/null 2>&1 & sleep 0.5; ls -d /run/provision.*.deadbeef`)
  const next = await run('next')
  expect(textOf(await next.request('ls -d /run/provision.*.deadbeef 2>/dev/null; :'))).toBe('')
  await next.close()
})

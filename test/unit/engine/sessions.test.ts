import { describe, expect, it, onTestFinished } from 'vitest'
import type { Event } from '../../../src/engine/events.ts'
import { borrowing } from '../../../src/engine/observe/borrow.ts'
import { type OpenOptions, observe, openSession, openSessions, type Session } from '../../../src/engine/observe/session.ts'
import type { Prepared } from '../../../src/engine/prepare.ts'
import { verify } from '../../../src/engine/verify.ts'
import { LockedHost } from '../../../src/host/shell/lock.ts'
import { openShell } from '../../../src/host/shell/open.ts'
import type { Holder } from '../../../src/host/shell/shell.ts'
import type { Target } from '../../../src/host/target/connection.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { localHost } from '../host/shell/local-host.ts'
import { localShell } from './local-shell.ts'

const lock: Holder = { user: 'jane', machine: 'laptop', command: 'provision run', since: '2026-11-29T10:00:00Z' }
const signal = new AbortController().signal
const optionsOf = (more: Partial<OpenOptions> = {}) => {
  const events: Event[] = []
  const listen = (event: Event): unknown => events.push(event)
  const doing = (): readonly string[] => events.flatMap((event) => (event.type === 'doing' ? [`${event.host} ${event.what}`] : []))
  return { events, doing, options: { listen, signal, lock: undefined, wait: false, ...more } }
}
const held = async (session: Promise<Session>): Promise<Session> => {
  const found = await session
  onTestFinished(() => found.shell.close())
  return found
}

describe('sessions', () => {
  it('know the facts and the records of their host', async () => {
    const { target } = await localHost()
    const { events, doing, options } = optionsOf()
    const { host, facts, owned } = await held(openSession(target, options))
    expect([host, facts.clientAddress, facts.sshPort, owned.size]).toEqual(['web-01', '127.0.0.1', target.port, 0])
    expect(facts.memoryMB).toBeGreaterThan(100)
    expect(events[0]).toEqual({ type: 'host', host: 'web-01', state: 'connecting' })
    expect(events.filter(({ type }) => type === 'warning')).toEqual([])
    expect(doing().at(-1)).toBe('web-01 undefined')
  })

  it('of a run that waits take their locks in order of host name, and report the host for which they wait', async () => {
    const { target } = await localHost()
    const { doing, options } = optionsOf({ lock, wait: true })
    // One machine with one lock: the second host gets it when the first one ends.
    const sessions = openSessions(
      ['b', 'a'].map((name): Target => ({ ...target, name })),
      options,
    )
    expect([...sessions.keys()]).toEqual(['a', 'b'])
    const first = await held(sessions.get('a') as Promise<Session>)
    await expect.poll(() => doing().at(-1), { timeout: 5000 }).toMatch(/^b waiting for the lock: locked by jane on laptop since /)
    expect(doing()).toContain('b waiting until a is locked: hosts are locked in order')
    await first.shell.close()
    await held(sessions.get('b') as Promise<Session>)
  })

  it('of other runs are opened at once: a dry run takes no lock, and a run that does not wait fails', async () => {
    const { target } = await localHost()
    const dry = optionsOf({ wait: true })
    const both = ['b', 'a'].map((name): Target => ({ ...target, name }))
    await Promise.all([...openSessions(both, dry.options).values()].map(held))
    expect(dry.doing().filter((one) => one.includes('waiting'))).toEqual([])
    const { doing, options } = optionsOf({ lock })
    const results = await Promise.allSettled([...openSessions(both, options).values()].map(held))
    expect(results.map((one) => (one.status === 'fulfilled' ? 'open' : one.reason instanceof LockedHost)).sort()).toEqual(['open', true])
    expect(doing().filter((one) => one.includes('in order'))).toEqual([])
  })
})

it('an observation has two minutes', async () => {
  const shell = localShell('a')
  const given: unknown[] = []
  const request: Session['shell']['request'] = (script, options) => {
    given.push(options)
    return shell.request(script)
  }
  await observe({ host: 'a', shell: { ...shell, request } } as unknown as Session, [])
  expect(given).toEqual([{ deadlineMs: 120_000 }])
})

describe('a borrowed session', () => {
  const prepared = (target: Target) => ({ beside: new Map([['lb', { ...target, name: 'lb' }]]) }) as unknown as Prepared

  it('is opened once, with the lock, and held until the run ends', async () => {
    const host = await localHost()
    const { borrow, close } = borrowing(prepared(host.target), { listen: () => {}, signal, lock })
    expect(host.commands).toEqual([])
    const [one, two] = await Promise.all([borrow('lb'), borrow('lb')])
    expect([one === two, one.host, host.commands.length]).toEqual([true, 'lb', 1])
    await expect(openShell(host.target, { lock })).rejects.toBeInstanceOf(LockedHost)
    await close()
    expect(host.remains()).toEqual(['.holder', '.lock'])
    await expect(one.shell.request(':')).rejects.toThrow('is closed')
  })

  it('does not wait for its lock, and closing ignores a session that was never opened', async () => {
    const host = await localHost()
    const other = await openShell(host.target, { lock })
    const { borrow, close } = borrowing(prepared(host.target), { listen: () => {}, signal, lock, wait: true })
    await expect(borrow('lb')).rejects.toBeInstanceOf(LockedHost)
    await close()
    await other.close()
  })

  it('exists only for a host that sends requests to hosts of the run', async () => {
    const { target } = await localHost()
    expect(() => borrowing(prepared(target), { listen: () => {}, signal }).borrow('db')).toThrow('no target was resolved for db')
  })
})

describe('provision verify', () => {
  const bound = (host: string, name: string, script: string, options = {}) => ({
    host,
    role: { name, verify: () => [{ name: 'answers', script }] },
    context: { options },
  })
  const preparedOf = (targets: readonly Target[], roles: readonly string[], ...all: readonly ReturnType<typeof bound>[]) =>
    ({
      targets: targets.map(({ name }) => name),
      reach: new Map(targets.map((target) => [target.name, target])),
      roles,
      bindings: { bound: all, flows: [] },
    }) as unknown as Prepared

  it('runs the checks of the selected roles on each host, and masks their secrets', async () => {
    const host = await localHost()
    const hosts = ['a', 'b'].map((name): Target => ({ ...host.target, name }))
    const all = [
      bound('a', 'nginx', 'exit 0'),
      bound('a', 'mysql', 'echo "password pw12 refused"; exit 1', { password: new Secret('pw12') }),
      bound('b', 'nginx', 'echo 503; exit 1'),
    ]
    const results = async (...roles: readonly string[]) => {
      const { checked, problems, underWay } = await verify(preparedOf(hosts, roles, ...all), signal)
      const lines = checked.map(({ host: on, role, passed }) => `${on} ${role} ${passed}`)
      return { lines, problems: problems.map(({ message, why }) => `${message}: ${why}`), underWay }
    }
    expect(await results()).toEqual({
      lines: ['a nginx true', 'a mysql false', 'b nginx false'],
      problems: ['a › role mysql: check failed: answers: password ••• refused', 'b › role nginx: check failed: answers: 503'],
      underWay: [],
    })
    expect((await results('mysql')).lines).toEqual(['a mysql false'])
    expect(host.remains()).toEqual([])
    // A host without checks is not contacted.
    const before = host.commands.length
    await results('haproxy')
    expect(host.commands).toHaveLength(before)
  })

  it('names a host that another run is changing', async () => {
    const { target } = await localHost()
    const shell = await openShell(target, { lock })
    const { underWay } = await verify(preparedOf([target], [], bound('web-01', 'nginx', 'exit 0')), signal)
    expect(underWay).toEqual([{ host: 'web-01', what: expect.stringMatching(/^a run is under way on this host, by jane on laptop/) }])
    await shell.close()
  })

  it('checks the others if a host is away, and ends with the signal', async () => {
    const { target } = await localHost()
    const hosts = [{ ...target, name: 'a', port: 1 }, target]
    const all = [bound('a', 'nginx', 'exit 0'), bound('web-01', 'nginx', 'exit 0')]
    const { checked, problems } = await verify(preparedOf(hosts, [], ...all), signal)
    expect([checked.map(({ host }) => host), problems.map(({ class: sort, where }) => [sort, where])]).toEqual([
      ['web-01'],
      [['unreachable', { host: 'a' }]],
    ])
    await expect(verify(preparedOf(hosts, [], ...all), AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  })
})

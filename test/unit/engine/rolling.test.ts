import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply/apply.ts'
import type { Event } from '../../../src/engine/events.ts'
import type { Session } from '../../../src/engine/observe/session.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run, RunHost } from '../../../src/engine/run-state.ts'
import { Problem } from '../../../src/problem.ts'
import { defineKind, keyOf } from '../../../src/resource/kind/kind.ts'
import { requireSuccess, type Steps } from '../../../src/resource/kind/step.ts'
import type { Drain, HostView, Role } from '../../../src/role/role.ts'
import { Secret } from '../../../src/secret/secret.ts'
import type { Script } from '../../../src/shell/script.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'

let scratch = ''
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'provision-rolling-'))
  writeFileSync(join(scratch, 'log'), '')
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

/** Hosts are this machine's `sh`; what they would write for good, they write into the scratch folder. */
const sessionOf = (host: string): Session => {
  const translate = (script: string): string => script.replaceAll('/var/lib/provision/drained', join(scratch, host))
  return { host, shell: localShell(host, translate) } as unknown as Session
}
const note = (text: string): Script => sh`echo ${text} >>${scratch}/log`
const log = (): readonly string[] => readFileSync(join(scratch, 'log'), 'utf8').trim().split('\n')
const marksAt = (host: string): readonly string[] => readdirSync(join(scratch, host))

/** What a host is given; `refused` is what it does not take. */
const gift = defineKind({
  name: 'gift',
  schema: z.strictObject({ host: z.string(), what: z.string() }),
  id: ({ what }) => what,
  observe: (specs: readonly { host: string; what: string }[]) => ({
    script: sh`cat ${scratch}/log`,
    parse: (stdout) =>
      new Map(specs.map(({ host, what }) => [what, stdout.toString().split('\n').includes(`${host} gets ${what}`) ? 'there' : ''])),
  }),
  plan: (_, seen) => (seen === '' ? { action: 'create', certainty: 'exact', reason: '', differences: [] } : undefined),
  *apply(work): Steps {
    for (const { spec } of work)
      requireSuccess(
        yield { do: 'shell', script: sh`${note(`${spec.host} gets ${spec.what}`)}; [ ${spec.what} != refused ]` },
        'it will not',
      )
  },
  *revert(work): Steps {
    for (const { spec } of work) requireSuccess(yield { do: 'shell', script: note(`${spec.host} gives ${spec.what} back`) }, 'it will not')
  },
})

/** A change that cannot be reverted. */
const { revert: _, ...ofKeepsake } = gift.kind
const keepsake = defineKind({ ...ofKeepsake, name: 'keepsake' } as typeof gift.kind)

const runHost = (host: string, what: readonly string[]): RunHost => {
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const pending = what.map((one, i) => {
    const [, play, name] = /^(?:(\d)\/)?(.*)$/.exec(one) ?? []
    return {
      play: Number(play ?? 0),
      role: `role${i}`,
      resource: (one.startsWith('kept') ? keepsake : gift)({ host, what: name ?? one }),
      state: '',
      change,
    }
  })
  const changes = pending.map(({ play, role, resource }) => ({ host, role, play, resource: keyOf(resource), ...change }))
  return { session: sessionOf(host), resources: pending, pending, changes, issuers: [] }
}

interface Case {
  /** The gifts of each host; `1/x` is one of the second play. */
  readonly gifts: Readonly<Record<string, readonly string[]>>
  /** Hosts of the play that were not reached. */
  readonly missing?: readonly string[]
  /** Batch sizes of plays; by default one play with `serial`. */
  readonly plays?: readonly (readonly number[])[]
  readonly serial?: readonly number[]
  readonly maxFailures?: number
  readonly drain?: (member: string) => Drain
  /** Hosts of the run; the balancer is one of them unless told. */
  readonly targets?: readonly string[]
  readonly borrow?: (host: string) => Promise<Session>
  readonly signal?: AbortSignal
  readonly serves?: Script
}

/** A secret of the role of the balancer. */
const PASSWORD = new Secret('pw12')

const inOut = (member: string): Drain => ({ out: note(`${member} out`), back: note(`${member} in`) })

const roll = async ({
  gifts,
  serial = [1],
  maxFailures = 0,
  drain = inOut,
  targets = ['lb', 'a', 'b', 'c'],
  borrow,
  signal,
  serves,
  ...more
}: Case) => {
  const { missing = [], plays = [serial] } = more
  const hosts = [...Object.keys(gifts), ...missing]
  const views = ['lb', 'a', 'b', 'c'].map((name): HostView => ({ name }) as HostView)
  const drains: Role['drains'] = (_, { name }) => (name === 'lb' ? undefined : drain(name))
  const role = { name: 'balancer', drains, ...(serves !== undefined && { serves: () => serves }) } as unknown as Role
  // Two plays bind it to the host; it is one role all the same.
  const bound = [0, 1].map((play) => ({ play, host: 'lb', role, context: { site: { hosts: views }, options: { password: PASSWORD } } }))
  const planned = {
    prepared: {
      site: { plays: plays.map((sizes, i) => ({ name: i === 0 ? 'web' : `play ${i}`, hosts, serial: sizes, maxFailures })) },
      targets,
      bindings: { bound },
    },
    plan: { changes: [], resources: new Map(targets.map((host) => [host, 0])) },
    hosts: new Map(
      targets
        .filter((host) => !missing.includes(host))
        .map((host) => [host, runHost(host, gifts[host] ?? [])])
        .filter(([host]) => host !== 'lb' || borrow === undefined) as [],
    ),
    observations: new Map(
      hosts.map((host) => [
        host,
        new Map((gifts[host] ?? []).map((what) => [`${what.startsWith('kept') ? 'keepsake' : 'gift'}:${what.replace(/^\d\//, '')}`, ''])),
      ]),
    ),
    selected: () => true,
    unreachable: [],
    borrow: borrow ?? (async () => expect.fail('nothing is needed beside')),
  } as unknown as Run
  const warnings: string[] = []
  const doing: string[] = []
  const listen = (event: Event): void => {
    if (event.type === 'warning') warnings.push(event.what)
    if (event.type === 'doing') doing.push(`${event.host} ${event.what}`)
  }
  const progress = new RunProgress(listen)
  const { problems, hosts: outcomes } = await apply({ ...planned, progress, listen, signal: signal ?? new AbortController().signal })
  return {
    problems: problems.map(({ message }) => message),
    classes: problems.map((problem) => problem.class),
    whys: problems.map(({ why }) => why),
    warnings,
    doing,
    hosts: outcomes,
  }
}

describe('a rolling play', () => {
  it('takes each host out of service before its change, and puts it back before the next; hosts without changes stay in service', async () => {
    await roll({ gifts: { a: ['x', 'y'], b: [], c: ['x'] } })
    expect(log()).toEqual(['a out', 'a gets x', 'a gets y', 'a in', 'c out', 'c gets x', 'c in'])
    expect(marksAt('lb')).toEqual([])
  })

  it('puts each host of a batch back after its own change', async () => {
    await roll({ gifts: { a: ['x'], b: ['x', 'y', 'z'] }, serial: [2] })
    const of = (host: string): readonly string[] => log().filter((line) => line.startsWith(host))
    expect([of('a'), of('b')]).toEqual([
      ['a out', 'a gets x', 'a in'],
      ['b out', 'b gets x', 'b gets y', 'b gets z', 'b in'],
    ])
  })

  it('runs scripts of a role that are plain text as they are', async () => {
    const text = (member: string): Drain => ({ out: String(note(`${member} out`)), back: String(note(`${member} in`)) }) as unknown as Drain
    await roll({ gifts: { a: ['x'] }, drain: text })
    expect(log()).toEqual(['a out', 'a gets x', 'a in'])
  })

  it('takes no host out of service without serial', async () => {
    await roll({ gifts: { a: ['x'] }, serial: [] })
    expect(log()).toEqual(['a gets x'])
  })

  it('reverts the changes of a host that refuses one, the last first, puts the host back, and skips the others', async () => {
    const { warnings, problems } = await roll({ gifts: { a: ['x', 'y', 'refused', 'z'], b: ['x'] } })
    expect(log()).toEqual(['a out', 'a gets x', 'a gets y', 'a gets refused', 'a gives y back', 'a gives x back', 'a in'])
    expect(warnings).toEqual(['play web stopped: a failed (max_failures: 0); b was not changed'])
    expect(problems).toEqual([expect.stringContaining('it will not')])
  })

  it('continues up to max_failures', async () => {
    const { warnings } = await roll({ gifts: { a: ['refused'], b: ['x'], c: ['refused'] }, maxFailures: 1 })
    expect(log().filter((line) => line.includes('gets'))).toEqual(['a gets refused', 'b gets x', 'c gets refused'])
    expect(warnings).toEqual([])
  })

  it('counts a host that was not reached, and one that failed in an earlier play', async () => {
    const unreached = await roll({ gifts: { a: ['x'], b: ['x'] }, missing: ['c'] })
    expect(log()).toEqual([''])
    expect(unreached.warnings).toEqual(['play web stopped: c was not reached (max_failures: 0); a, b were not changed'])
    const earlier = await roll({ gifts: { a: ['refused'], b: ['1/x'], c: ['1/y'] }, plays: [[], [1]] })
    expect(log()).toEqual(['a gets refused'])
    expect(earlier.warnings).toEqual(['play play 1 stopped: a failed (max_failures: 0); b, c were not changed'])
    const both = await roll({ gifts: { a: ['refused'], b: ['1/x', '1/y'] }, missing: ['c'], plays: [[], [1]], maxFailures: 1 })
    expect(both.warnings).toEqual(['play play 1 stopped: a failed, c was not reached (max_failures: 1); b was not changed'])
  })

  it('allows as many hosts that were not reached as max_failures, and ignores hosts outside the run', async () => {
    const { warnings } = await roll({ gifts: { a: ['x'] }, missing: ['b', 'elsewhere'], maxFailures: 1 })
    expect(log()).toEqual(['a out', 'a gets x', 'a in'])
    expect(warnings).toEqual([])
  })

  it('without changes is not stopped by a host that was not reached, and later plays run', async () => {
    const { warnings } = await roll({ gifts: { a: ['1/x'] }, missing: ['b'], plays: [[1], []] })
    expect(log()).toEqual(['a gets x'])
    expect(warnings).toEqual([])
  })

  it('that is stopped ends the run: no later play begins', async () => {
    const { warnings, hosts } = await roll({ gifts: { a: ['refused'], b: ['x', '1/y'], c: ['1/z'] }, plays: [[1], []] })
    expect(log()).toEqual(['a out', 'a gets refused', 'a in'])
    expect(warnings).toEqual(['play web stopped: a failed (max_failures: 0); b was not changed'])
    expect(hosts.map(({ host, changed, failed }) => `${host} ${changed} ${failed}`)).toEqual(['lb 0 0', 'a 0 1', 'b 0 0', 'c 0 0'])
  })

  it('that is stopped after its last batch ends the run too', async () => {
    const { warnings } = await roll({ gifts: { a: ['refused'], c: ['1/z'] }, plays: [[1], []] })
    expect(log()).toEqual(['a out', 'a gets refused', 'a in'])
    expect(warnings).toEqual(['play web stopped: a failed (max_failures: 0); later plays were not applied'])
  })

  it('reverts the changes of a host that is unhealthy afterwards, and checks it again', async () => {
    const drain = (member: string): Drain => ({
      out: note(`${member} out`),
      back: sh`${note(`${member} in`)}; tail -n 2 ${scratch}/log | grep -q back || { echo 'no answer' >&2; exit 1; }`,
    })
    const { problems } = await roll({ gifts: { a: ['x'], b: ['x'] }, drain })
    expect(log()).toEqual(['a out', 'a gets x', 'a in', 'a gives x back', 'a in'])
    expect(problems).toEqual(['a › role balancer on lb: lb does not find a healthy'])
  })

  it('changes no host if one cannot be taken out of service, and puts back the others', async () => {
    const drain = (member: string): Drain => (member === 'b' ? { ...inOut(member), out: sh`exit 1` } : inOut(member))
    const { problems } = await roll({ gifts: { a: ['x'], b: ['x'], c: ['x'] }, serial: [2], drain })
    expect(log()).toEqual(['a out', 'a in', 'b in'])
    expect(problems).toEqual(['b › role balancer on lb: b cannot be taken out of service at lb'])
  })

  it('first puts back hosts that an interrupted run took out of service', async () => {
    mkdirSync(join(scratch, 'lb'))
    writeFileSync(join(scratch, 'lb/c@balancer'), String(note('c was forgotten')))
    await roll({ gifts: { a: ['x'] } })
    expect(log()).toEqual(['c was forgotten', 'a out', 'a gets x', 'a in'])
  })

  it('connects to a host outside the run to take others out of service there, and changes nothing if that fails', async () => {
    await roll({ gifts: { a: ['x'] }, targets: ['a'], borrow: async (host) => sessionOf(host) })
    expect(log()).toEqual(['a out', 'a gets x', 'a in'])
    const away = new Problem({ class: 'unreachable', where: { host: 'lb' }, what: 'is away', fix: 'wake it' })
    const { problems } = await roll({ gifts: { a: ['x'] }, targets: ['a'], borrow: () => Promise.reject(away) })
    expect(log()).toHaveLength(3)
    expect(problems).toEqual(['lb: is away; a must be taken out of service there first'])
  })

  it('reports that a host may still be out of service if the load balancer was lost, and does not revert', async () => {
    const lost = new Problem({ class: 'unreachable', where: { host: 'lb' }, what: 'was lost', fix: 'look' })
    const { shell } = sessionOf('lb')
    const request: Session['shell']['request'] = (script, given) =>
      script.includes('a in') ? Promise.reject(lost) : shell.request(script, given)
    const lb = { host: 'lb', shell: { ...shell, request } } as Session
    const { problems, hosts } = await roll({ gifts: { a: ['x'], b: ['x'] }, targets: ['a', 'b'], borrow: async () => lb })
    expect(log()).toEqual(['a out', 'a gets x'])
    expect(problems).toEqual(['lb: was lost; a may still be out of service there'])
    expect(hosts.map(({ unreachable }) => unreachable)).toEqual([false, false])
    expect(marksAt('lb')).toEqual(['a@balancer'])
  })

  it('changes no host if one that takes them out of service was not reached', async () => {
    const { problems } = await roll({ gifts: { a: ['x'], b: ['x'] }, missing: ['lb'], maxFailures: 1, serial: [2] })
    expect(log()).toEqual([''])
    expect(problems).toEqual(['lb: host could not be reached; a, b must be taken out of service there first'])
  })

  it('changes no host if one of an interrupted run cannot be put back, and masks secrets in the words of that host', async () => {
    mkdirSync(join(scratch, 'lb'))
    writeFileSync(join(scratch, 'lb/c@balancer'), `${note('c was tried')}; echo "password pw12 refused" >&2; exit 4`)
    const { problems, whys } = await roll({ gifts: { a: ['x'] } })
    expect(log()).toEqual(['c was tried'])
    expect(problems).toEqual(['lb: host that an interrupted run took out of service cannot be put back'])
    expect(whys[0]?.split('\n')[0]).toBe('password ••• refused')
  })

  it('masks secrets in the words of a host that takes no other out of service', async () => {
    const drain = (member: string): Drain => ({ ...inOut(member), out: sh`echo "password pw12 refused" >&2; exit 1` })
    expect((await roll({ gifts: { a: ['x'] }, drain })).whys).toEqual(['password ••• refused'])
  })

  it('puts a host back if the run is stopped, and begins no other', async () => {
    const stopping = new AbortController()
    const drain = (member: string): Drain => {
      stopping.abort()
      return inOut(member)
    }
    const { problems } = await roll({ gifts: { a: ['x'], b: ['x'] }, drain, signal: stopping.signal })
    expect(log()).toEqual(['a out', 'a in'])
    expect(problems).toEqual([])
  })

  it('names the changes that stay on a host because they cannot be reverted', async () => {
    const { warnings } = await roll({ gifts: { a: ['kept 1', 'x', 'kept 2', 'refused'] } })
    expect(log()).toEqual(['a out', 'a gets kept 1', 'a gets x', 'a gets kept 2', 'a gets refused', 'a gives x back', 'a in'])
    expect(warnings).toEqual(['these changes cannot be reverted and stay: keepsake kept 1, keepsake kept 2'])
    const many = ['1', '2', '3', '4', '5', '6', '7'].map((number) => `kept ${number}`)
    expect((await roll({ gifts: { b: [...many, 'refused'] } })).warnings).toEqual([
      'these changes cannot be reverted and stay: keepsake kept 1, keepsake kept 2, keepsake kept 3, keepsake kept 4, keepsake kept 5 and 2 more',
    ])
  })
})

describe('at the end of a run', () => {
  const ill = (): Script => sh`${note('asked')}; echo 'no server is healthy' >&2; exit 1`
  const PROBLEM = 'lb › role balancer: service of role balancer does not answer after this run'

  it.each([
    ['in batches', [1]],
    ['at once', []],
  ])('a service that does not answer fails the run that changed its hosts %s', async (_, serial) => {
    const { problems, classes } = await roll({ gifts: { a: ['x'], b: ['x'] }, serial, serves: ill() })
    expect(log().filter((line) => line === 'asked')).toEqual(['asked'])
    expect(log().at(-1)).toBe('asked')
    expect([problems, classes]).toEqual([[PROBLEM], ['task']])
  })

  it('a service is asked after a failed change too, and nothing is asked if nothing changed', async () => {
    expect((await roll({ gifts: { a: ['refused'] }, serves: ill() })).problems).toEqual([expect.stringContaining('it will not'), PROBLEM])
    writeFileSync(join(scratch, 'log'), '')
    await roll({ gifts: {}, serves: ill() })
    expect(log()).toEqual([''])
  })

  it('a service that answers is no problem, also after a change of its own host', async () => {
    const { problems, doing } = await roll({ gifts: { lb: ['x'] }, serves: note('asked') })
    expect([problems, doing.slice(-2)]).toEqual([[], ['lb checking that balancer serves', 'lb undefined']])
    expect(log()).toEqual(['lb gets x', 'asked'])
  })

  it('a service outside the run is asked by a borrowed session, and a warning reports if it cannot be asked', async () => {
    const limited = { gifts: { a: ['x'] }, serial: [], targets: ['a'], serves: ill() }
    expect((await roll({ ...limited, borrow: async (host) => sessionOf(host) })).problems).toEqual([PROBLEM])
    const away = new Problem({ class: 'unreachable', where: { host: 'lb' }, what: 'host is away', fix: 'wake it' })
    const { problems, warnings } = await roll({ ...limited, borrow: () => Promise.reject(away) })
    expect(problems).toEqual([])
    expect(warnings).toEqual(['lb could not be asked whether balancer still serves: host is away'])
  })
})

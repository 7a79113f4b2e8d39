import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply/apply.ts'
import type { Event } from '../../../src/engine/events.ts'
import { observe, type Session } from '../../../src/engine/observe/session.ts'
import type { DeclaredResource } from '../../../src/engine/plan/declared.ts'
import { ownedBy } from '../../../src/engine/plan/owned.ts'
import type { PlannedChange } from '../../../src/engine/plan/plan.ts'
import { planHosts } from '../../../src/engine/plan/plan-hosts.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run } from '../../../src/engine/run-state.ts'
import { Problem } from '../../../src/problem.ts'
import { file } from '../../../src/resource/file/file.ts'
import { sha256Hex } from '../../../src/resource/kind/content.ts'
import { defineKind, type Resource } from '../../../src/resource/kind/kind.ts'
import { HostRefusal, requireSuccess, type Steps } from '../../../src/resource/kind/step.ts'
import { readRecord, recordHead, recordLine } from '../../../src/resource/ownership/record.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'

let scratch = ''
let batches: string[] = []
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'provision-changes-'))
  batches = []
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

/** Stands in scripts for the directory of the things of a host. */
const HERE = '/nonexistent-provision-here'
const dirOf = (host: string): string => join(scratch, host)
const sessionOf = (host: string): Session => {
  mkdirSync(dirOf(host), { recursive: true })
  const shell = localShell(host, (script) => script.replaceAll(HERE, dirOf(host)))
  return { host, shell, owned: new Map() } as unknown as Session
}
const has = (host: string, ...names: readonly string[]): void => {
  sessionOf(host)
  for (const name of names) writeFileSync(join(dirOf(host), name), '')
}
const thingsOn = (host: string): readonly string[] => readdirSync(dirOf(host)).sort()

const schema = z.strictObject({ id: z.string(), also: z.string().default(':'), secret: z.instanceof(Secret).optional() })
type Spec = z.output<typeof schema>

/** A kind of things in a directory. `also` is what else happens on the host when a thing is made. */
const things = (name: string, more: object = {}) =>
  defineKind<z.input<typeof schema>, Spec, string>({
    name,
    schema,
    id: ({ id }) => id,
    observe: (specs) => ({
      script: sh`ls ${HERE}`,
      parse: (stdout) => {
        const present = stdout.toString().split('\n')
        return new Map(specs.map(({ id }) => [id, present.includes(id) ? 'there' : '']))
      },
    }),
    plan: (_, state) =>
      state === 'there'
        ? undefined
        : {
            action: 'create',
            certainty: 'exact',
            reason: 'missing',
            differences: [
              { key: 'size', from: '1' },
              { key: 'owner', to: 'root' },
            ],
          },
    *apply(work): Steps {
      batches.push(`${name} ${work.map(({ id }) => id).join(' ')}`)
      for (const { id, spec } of work) {
        requireSuccess(yield { do: 'shell', script: sh`cd ${HERE}; touch -- ${id}` }, 'not made')
        requireSuccess(yield { do: 'shell', script: sh`cd ${HERE}; eval ${spec.also}` }, 'not made')
      }
    },
    ...more,
  })
const thing = things('thing')
const member = things('member', { sequence: () => ['b', 'a', 'c'] })

interface Case {
  /** The resources of each host; `[play, role]` is `[0, 'r']` by default. */
  readonly hosts: Readonly<Record<string, readonly (Resource | readonly [number, string, Resource])[]>>
  readonly more?: Partial<Run>
  readonly inSession?: (session: Session) => Session
}

const ran = async ({ hosts, more = {}, inSession = (session) => session }: Case) => {
  const events: Event[] = []
  const listen = (event: Event): unknown => events.push(event)
  const observed = await Promise.all(
    Object.entries(hosts).map(async ([host, all]) => {
      const resources = all.map((one): DeclaredResource => {
        const [play, role, resource] = 'kind' in one ? ([0, 'r', one] as const) : one
        return { play, role, resource }
      })
      const session = inSession(sessionOf(host))
      return { session, resources, observation: await observe(session, resources) }
    }),
  )
  const { planned, observations } = await planHosts(observed, { selected: () => true, allowDataLoss: new Set() })
  const names = Object.keys(hosts)
  const progress = new RunProgress(listen)
  const outcome = await apply({
    prepared: {
      site: { plays: [0, 1].map((play) => ({ name: `play ${play}`, hosts: names, serial: [], maxFailures: 0 })) },
      bindings: { bound: [], flows: [] },
      targets: names,
    },
    plan: { changes: planned.flatMap(({ changes }) => changes), resources: new Map(names.map((host) => [host, 1])) },
    hosts: new Map(planned.map((one) => [one.session.host, one])),
    observations,
    selected: () => true,
    allowDataLoss: new Set(),
    unreachable: [],
    progress,
    listen,
    signal: new AbortController().signal,
    ...more,
  } as unknown as Run)
  const said = (type: 'warning' | 'doing'): readonly string[] =>
    events.flatMap((event) => (event.type === type && event.what !== undefined ? [`${event.host}: ${event.what}`] : []))
  return { ...outcome, events, said, progress, problems: outcome.problems.map(({ message, why }) => [message, why] as const) }
}

describe('changes of a host', () => {
  it('of one kind and role are applied together where they are adjacent', async () => {
    const other = things('other')
    const { result, prediction } = await ran({
      hosts: {
        a: [
          thing({ id: '1' }),
          thing({ id: '2' }),
          [0, 's', thing({ id: '3' })],
          other({ id: '4' }),
          thing({ id: '5' }),
          thing({ id: '6' }),
        ],
      },
    })
    expect(batches).toEqual(['thing 1 2', 'thing 3', 'other 4', 'thing 5 6'])
    expect([result, prediction]).toEqual(['changed', { predicted: 6, actual: 6 }])
  })

  it('are made in each play, on the hosts of the plan only, and a run without changes is converged', async () => {
    has('b', '1')
    const { hosts, events } = await ran({ hosts: { a: [thing({ id: '1' }), [1, 'r', thing({ id: '2' })]], b: [thing({ id: '1' })] } })
    expect(batches).toEqual(['thing 1', 'thing 2'])
    expect(hosts).toEqual([
      { host: 'a', resources: 1, changed: 2, failed: 0, unreachable: false },
      { host: 'b', resources: 1, changed: 0, failed: 0, unreachable: false },
    ])
    const states = (host: string) => events.flatMap((event) => (event.type === 'host' && event.host === host ? [event.state] : []))
    expect(states('a')).toEqual(['applying', 'waiting', 'applying', 'waiting', 'proving', 'done'])
    expect(states('b')).toEqual([])
    batches = []
    const again = await ran({ hosts: { b: [thing({ id: '1' })] } })
    expect([again.result, batches, again.prediction]).toEqual(['converged', [], { predicted: 0, actual: 0 }])
  })

  it('count as applied without a step if an earlier play had their effect', async () => {
    const { result, hosts, said } = await ran({ hosts: { a: [thing({ id: '1', also: 'touch 2' }), [1, 'r', thing({ id: '2' })]] } })
    expect(said('doing')).toEqual(['a: applying thing 1', 'a: applying thing 1'])
    expect([batches, result, hosts[0]?.changed]).toEqual([['thing 1'], 'changed', 2])
  })

  it('that became necessary after the plan are not made, and end the run of their host', async () => {
    has('a', 'x', 'y')
    const { problems, prediction, hosts } = await ran({
      hosts: {
        a: [thing({ id: '1', also: 'rm x y' }), [1, 'r', thing({ id: 'x' })], [1, 'r', thing({ id: '2' })], [1, 'r', thing({ id: 'y' })]],
        b: [thing({ id: '1' }), [1, 'r', thing({ id: '2' })]],
      },
    })
    expect(problems).toEqual([
      ['a: host has changed since the plan was shown', 'these resources were not in the plan and need a change now: thing:x, thing:y'],
    ])
    expect(thingsOn('a')).toEqual(['1'])
    expect(thingsOn('b')).toEqual(['1', '2'])
    expect(prediction).toEqual({ predicted: 3, actual: 5 })
    expect(hosts.map(({ changed, failed }) => [changed, failed])).toEqual([
      [1, 0],
      [2, 0],
    ])
  })

  it('that do not last are failures, with what differs', async () => {
    const { problems, result, hosts } = await ran({ hosts: { a: [thing({ id: '1' }), thing({ id: '2', also: 'rm 1' })] } })
    expect(problems).toEqual([
      ['a › role r › thing:1: resource was applied and has not converged', 'missing; size: 1 → -; owner: - → root'],
    ])
    expect([result, hosts[0]?.failed]).toEqual(['failed', 1])
  })

  it('that nobody planned and the proof finds are failures too', async () => {
    has('a', 'x')
    const { problems, prediction, hosts } = await ran({ hosts: { a: [thing({ id: 'x' }), thing({ id: '1', also: 'rm x' })] } })
    expect(problems).toEqual([['a › role r › thing:x: resource differs after the run and was not in the plan', 'missing']])
    expect([prediction, hosts[0]?.failed]).toEqual([{ predicted: 1, actual: 2 }, 0])
  })

  it('are refused in the words of the host, without the secrets of its resources', async () => {
    const secret = new Secret('ab1')
    const { problems } = await ran({
      hosts: { a: [thing({ id: '1', also: 'echo "no ab1 here" >&2; false', secret }), thing({ id: '2' })] },
    })
    expect(problems).toEqual([['a › role r › thing:1: not made (exit 1)', 'no ••• here']])
    expect(thingsOn('a')).toEqual(['1'])
  })

  it('are not begun after the signal', async () => {
    const stopping = new AbortController()
    const stop = things('stop', {
      // biome-ignore lint/correctness/useYield: it needs no host
      *apply() {
        stopping.abort()
        batches.push('stop')
      },
    })
    const { result } = await ran({
      hosts: { a: [stop({ id: '1' }), thing({ id: '2' }), [1, 'r', thing({ id: '3' })]] },
      more: { signal: stopping.signal },
    })
    expect([batches, result]).toEqual([['stop'], 'failed'])
  })
})

describe('hosts that share a resource', () => {
  it('change it one after the other, and report the host for which they wait', async () => {
    const all = Object.fromEntries(['a', 'b', 'c'].map((host) => [host, [member({ id: '1' })]]))
    const { said, events } = await ran({ hosts: all })
    expect(said('doing').filter((one) => one.includes('waiting'))).toEqual([
      'a: waiting for b to change member 1',
      'c: waiting for b to change member 1',
      'c: waiting for a to change member 1',
    ])
    expect(events.flatMap((event) => (event.type === 'change' && event.phase === 'applied' ? [event.change.host] : []))).toEqual([
      'b',
      'a',
      'c',
    ])
  })

  it('leave it as it is behind a host whose service refuses it, and change it behind one that failed otherwise', async () => {
    const refusing = (othersToo: boolean) =>
      things('member', {
        sequence: () => ['b', 'a'],
        // biome-ignore lint/correctness/useYield: it refuses before its first step
        *apply(work: readonly { readonly spec: Spec }[]) {
          batches.push('member')
          if (batches.length === 1) throw new HostRefusal(`no ${work.length}`, 'its syntax is wrong', undefined, { othersToo })
        },
      })
    const hosts = (kind: ReturnType<typeof refusing>) => ({ a: [kind({ id: '1' })], b: [kind({ id: '1' })] })
    expect((await ran({ hosts: hosts(refusing(true)) })).problems.map(([message]) => message)).toEqual([
      'b › role r › member:1: no 1',
      'a › member:1: resource was skipped because the service of b refused the same change',
    ])
    batches = []
    await ran({ hosts: hosts(refusing(false)) })
    expect(batches).toEqual(['member', 'member'])
  })

  it('are all observed again before one of them is proved', async () => {
    const observed: string[] = []
    const counted = (host: string) =>
      things('member', {
        sequence: () => ['a', 'b'],
        observe: () => ({
          script: sh`ls ${HERE}`,
          parse: (out: Buffer) => {
            observed.push(host)
            return new Map([['1', out.toString().includes('1') ? 'there' : '']])
          },
        }),
      })({ id: '1' })
    has('b', '1')
    has('c', '1')
    await ran({ hosts: { a: [counted('a')], b: [counted('b')], c: [thing({ id: '1' })] } })
    // Once for the plan, and once for the proof: the unchanged member first.
    expect(observed).toEqual(['a', 'b', 'b', 'a'])
  })
})

describe('identities', () => {
  const identity = (resource: string): PlannedChange => ({
    ...{ host: 'controller', role: 'r', resource, action: 'create', certainty: 'exact', reason: 'missing', differences: [], play: 0 },
  })
  const withIdentities = (make: (key: string) => Promise<void>, more: Partial<Run> = {}) =>
    ran({
      hosts: { a: [thing({ id: '1' })] },
      more: {
        plan: { changes: [identity('authority:x'), identity('authority:y')], resources: new Map([['a', 1]]) },
        identities: { make } as unknown as Run['identities'],
        ...more,
      },
    })

  it('are created before hosts are changed', async () => {
    const { result, prediction } = await withIdentities(async (key) => void batches.push(key))
    expect(batches).toEqual(['authority:x', 'authority:y', 'thing 1'])
    expect([result, prediction]).toEqual(['changed', { predicted: 3, actual: 3 }])
  })

  it('alone make a run that changed something', async () => {
    const { result } = await withIdentities(async () => undefined, { hosts: new Map() })
    expect(result).toBe('changed')
  })

  it('that cannot be created end the run before any host is changed', async () => {
    const { problems, result } = await withIdentities(() => Promise.reject(new TypeError('no')))
    expect(batches).toEqual([])
    expect(problems.map(([message]) => message)).toEqual(['controller › authority:x: creation of this identity failed: TypeError: no'])
    expect(result).toBe('failed')
  })

  it('are not created after the signal', async () => {
    const { result } = await withIdentities(async (key) => void batches.push(key), { signal: AbortSignal.abort() })
    expect([batches, result]).toEqual([[], 'failed'])
  })
})

describe('the result of a run', () => {
  const away = (sort: 'unreachable' | 'task') => new Problem({ class: sort, where: { host: 'b' }, what: 'is away', fix: 'wake it' })
  it('is a failure if a host of it has no plan', async () => {
    const none = { plan: { changes: [], resources: new Map([['a', 1]]) } }
    for (const [unreachable, state] of [
      [[away('unreachable')], { unreachable: true }],
      [[away('task')], { unreachable: false, unplanned: 'failed' }],
    ] as const) {
      has('a', '1')
      const { result, hosts, problems } = await ran({ hosts: { a: [thing({ id: '1' })], b: [] }, more: { ...none, unreachable } })
      expect(result).toBe('failed')
      expect(hosts[1]).toEqual({ host: 'b', resources: 0, changed: 0, failed: 0, ...state })
      expect(problems).toHaveLength(1)
    }
  })

  it('is a failure of the host that was lost, and the others continue', async () => {
    const lost = (): never => {
      throw new Problem({ class: 'unreachable', where: { host: 'a' }, what: 'was lost', fix: 'look' })
    }
    const gone = things('gone', { apply: lost })
    const { result, hosts } = await ran({ hosts: { a: [gone({ id: '1' })], b: [thing({ id: '1' }), [1, 'r', thing({ id: '2' })]] } })
    expect([result, thingsOn('b')]).toEqual(['failed', ['1', '2']])
    expect(hosts.map(({ unreachable }) => unreachable)).toEqual([true, false])
  })
})

describe('the record of what provision owns', () => {
  it('lists again what is there after a change failed, and stays as it is otherwise', async () => {
    const STATE = '/var/lib/provision'
    // As long as the directory that it replaces, because scripts count bytes.
    const disk = `/srv/p${Math.random().toString(36).slice(2).padEnd(12, '0').slice(0, 12)}`
    mkdirSync(join(disk, 'owned'), { recursive: true, mode: 0o700 })
    onTestFinished(() => rmSync(disk, { recursive: true }))
    const swap = (bytes: Uint8Array, from: string, to: string): Buffer =>
      Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(from, to), 'latin1')
    const elsewhere = (session: Session): Session => {
      const request: Session['shell']['request'] = async (script, { input, ...more } = {}) => {
        const given = input instanceof Uint8Array ? { ...more, input: swap(input, STATE, disk) } : more
        const answer = await session.shell.request(script.replaceAll(STATE, disk), given)
        return { ...answer, stdout: swap(answer.stdout, disk, STATE) }
      }
      return { ...session, shell: { ...session.shell, request }, owned }
    }
    const [kept, failing] = ['kept', 'conf'].map((name) => file({ path: `${STATE}/${name}`, content: `${name}\n` })) as [Resource, Resource]
    const before = recordLine(`file:${STATE}/conf`, `${STATE}/conf`, 'a'.repeat(64))
    const owned = new Map([['r', readRecord([recordHead(['site.yaml']).trim(), before])]])
    const refusing = things('refusing', {
      // biome-ignore lint/correctness/useYield: it refuses before its first step
      *apply() {
        throw new HostRefusal('no', 'it will not')
      },
    })
    const { events, problems } = await ran({
      hosts: { a: [ownedBy('r', ['site.yaml'], [kept, failing]), kept, refusing({ id: '1' }), failing] },
      inSession: elsewhere,
    })
    expect(problems.map(([message]) => message)).toEqual(['a › role r › refusing:1: no'])
    const record = readFileSync(join(disk, 'owned/r'), 'utf8')
    expect(record.replaceAll(disk, STATE).split('\n')).toEqual([
      recordHead(['site.yaml']).trim(),
      recordLine(`file:${STATE}/kept`, `${STATE}/kept`, sha256Hex('kept\n')),
      before,
      '',
    ])
    expect(readdirSync(disk).sort()).toEqual(['kept', 'owned'])
    expect(events.at(-1)).toEqual({ type: 'doing', host: 'a', what: undefined })
    // A run that applied everything asks nothing about records.
    const more = file({ path: `${STATE}/more`, content: 'more\n' })
    const all = await ran({ hosts: { a: [ownedBy('r', ['site.yaml'], [kept, more]), kept, more] }, inSession: elsewhere })
    expect([all.result, all.events.at(-1)]).toEqual(['changed', { type: 'host', host: 'a', state: 'done' }])
  })
})

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply/apply.ts'
import { problemsOn } from '../../../src/engine/failure.ts'
import { queryHost } from '../../../src/engine/observe/host-query.ts'
import type { Session } from '../../../src/engine/observe/session.ts'
import { examineHosts } from '../../../src/engine/plan/examine.ts'
import { planHosts } from '../../../src/engine/plan/plan-hosts.ts'
import type { Prepared } from '../../../src/engine/prepare.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run, RunHost } from '../../../src/engine/run-state.ts'
import { verify } from '../../../src/engine/verify.ts'
import { Problem } from '../../../src/problem.ts'
import { file } from '../../../src/resource/file/file.ts'
import { ABSENT } from '../../../src/resource/kind/inode.ts'
import { type Change, defineKind, type Kind, keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { ControllerFailure, HostRefusal } from '../../../src/resource/kind/step.ts'
import { orphan } from '../../../src/resource/ownership/orphan.ts'
import { readRecord } from '../../../src/resource/ownership/record.ts'
import { sh } from '../../../src/shell/sh.ts'
import { playbooksIn } from '../../../src/site/project-playbooks.ts'
import { localShell } from './local-shell.ts'

type State = 'new' | 'old'
interface Spec {
  readonly host: string
}

const fail = (): never => {
  throw new TypeError('this line is wrong')
}
/** Fails on the host `bad` only. */
const onBad = ({ host }: Spec): undefined => (host === 'bad' ? fail() : undefined)
const planOnce = (state: State): Change | undefined =>
  state === 'old' ? { action: 'update', certainty: 'exact', reason: 'old', differences: [] } : undefined

/** A kind with one change on every host, and one faulty call. */
const faulty = (faults: Partial<Kind<Spec, Spec, State>>) =>
  defineKind<Spec, Spec, State>({
    name: 'seed',
    schema: z.strictObject({ host: z.string() }),
    id: () => 'it',
    observe: () => ({ script: sh``, parse: () => new Map([['it', 'new' as const]]) }),
    plan: (_, state) => planOnce(state),
    *apply() {},
    ...faults,
  })

type Seed = ReturnType<typeof faulty>

const hosts = ['bad', 'good']

const planOf = async (seed: Seed) => {
  const observed = hosts.map((host) => {
    const resource = seed({ host })
    const session = { host, shell: localShell(host) } as unknown as Session
    return { session, resources: [{ play: 0, role: 'garden', resource }], observation: new Map([[keyOf(resource), 'old']]) }
  })
  const scope = { selected: () => true, allowDataLoss: new Set<string>() }
  const { examined, lost } = await examineHosts(observed, { ...scope, prune: false, project: playbooksIn('/project') })
  const { planned, observations, lost: failed } = await planHosts(examined, scope)
  return { planned, observations, lost: [...lost, ...failed] }
}

const runOf = async (seed: Seed) => {
  const { planned, observations, lost } = await planOf(seed)
  const applied: string[] = []
  const progress = new RunProgress((event) => {
    if (event.type === 'change' && event.phase === 'applied') applied.push(event.change.host)
  })
  const ended = await apply({
    prepared: { site: { plays: [{ name: 'web', hosts, serial: [], maxFailures: 0 }] }, bindings: { bound: [] }, targets: hosts },
    plan: { changes: [], resources: new Map(planned.map(({ session }) => [session.host, 1])) },
    hosts: new Map(planned.map((one: RunHost) => [one.session.host, one])),
    observations,
    selected: () => true,
    progress,
    listen: () => {},
    unreachable: lost,
    signal: new AbortController().signal,
  } as unknown as Run)
  return { applied, problems: ended.problems, result: ended.result }
}

const place = ({ where }: Problem): string => ('host' in where ? where.host : '')

describe('a state that forbids a change', () => {
  const forbids: Kind<Spec, Spec, State>['forbids'] = ({ host }) => (host === 'bad' ? new HostRefusal('is odd', 'it says so') : undefined)

  it('leaves its host out, and the others are changed', async () => {
    const { applied, problems, result } = await runOf(faulty({ forbids }))
    expect(applied).toEqual(['good'])
    expect(result).toBe('failed')
    expect(problems).toMatchObject([{ class: 'task', where: { host: 'bad', role: 'garden', resource: 'seed:it' }, what: 'is odd' }])
  })

  it('of a shared resource leaves all hosts that share it out', async () => {
    const { applied, problems } = await runOf(faulty({ forbids, shared: true }))
    expect(applied).toEqual([])
    expect(problems.map(({ message, fix }) => `${message}: ${fix}`)).toEqual([
      'bad › garden › seed:it: is odd: check this resource on the host',
      'good › garden › seed:it: shared with bad, whose state forbids a change: correct the problem of bad first',
    ])
  })
})

describe('the warnings about a host', () => {
  it('include its orphans and the playbooks that do not exist any more, unless the run deletes them', async () => {
    const owned = { key: 'certificate:/etc/x.pem', text: 'certificate:/etc/x.pem' }
    const records = new Map([['garden', readRecord(['# {"provision":2,"playbooks":["playbooks/gone.yaml"]}', owned.text])]])
    const noticesOf = async (prune: boolean, more: readonly Resource[] = []) => {
      const resource = orphan({ role: 'garden', owned, prune })
      const session = { host: 'a', shell: localShell('a'), owned: records } as unknown as Session
      const state = { recorded: true, inode: ABSENT, within: [] }
      const observed = {
        session,
        resources: [...more, resource].map((one) => ({ play: 0, role: 'garden', resource: one })),
        observation: new Map<string, unknown>([
          [keyOf(resource), state],
          ['file:/etc/motd', ABSENT],
        ]),
      }
      const { examined } = await examineHosts([observed], {
        selected: () => true,
        allowDataLoss: new Set(),
        prune,
        project: playbooksIn('/project'),
      })
      return examined.flatMap(({ notices }) => notices.map(({ role, what }) => `${role} ${what}`))
    }
    const [notice, ...others] = await noticesOf(false)
    expect(others).toEqual([])
    expect(notice).toMatch(
      /^garden no longer declares certificate \/etc\/x\.pem; kept: .*; its playbook playbooks\/gone\.yaml no longer exists$/,
    )
    // A role that another playbook binds has left only some resources.
    const [bound] = await noticesOf(false, [file({ path: '/etc/motd', content: '' })])
    expect(bound).toMatch(/^garden no longer declares certificate \/etc\/x\.pem; kept: .* from the ownership record\)$/)
    expect(await noticesOf(true)).toEqual([])
  })
})

describe('an exception of a kind on one host', () => {
  it.each<[string, Partial<Kind<Spec, Spec, State>>, string]>([
    ['plan', { plan: (spec, state) => onBad(spec) ?? planOnce(state) }, 'plan of kind seed'],
    ['notices', { notices: (spec) => onBad(spec) ?? [] }, 'plan of kind seed'],
    ['forbids', { forbids: onBad }, 'plan of kind seed'],
    [
      'before',
      { before: ([one]) => onBad(one?.spec ?? fail()) ?? { script: sh``, read: () => new Map() }, diff: () => undefined },
      'diff of kind seed',
    ],
    ['diff', { diff: ({ spec }) => onBad(spec) }, 'diff of kind seed'],
    ['content', { content: onBad }, 'content of kind seed'],
    [
      'apply',
      {
        // biome-ignore lint/correctness/useYield: it fails before its first step
        *apply(work) {
          for (const { spec } of work) onBad(spec)
        },
      },
      'step of kind seed',
    ],
  ])('%s: fails that host, names the kind and its line, and the others are changed', async (_, faults, call) => {
    const { applied, problems, result } = await runOf(faulty(faults))
    expect(applied).toContain('good')
    expect(applied).not.toContain('bad')
    expect(result).toBe('failed')
    const [first] = problems
    expect(problems.map(place)).toEqual(['bad'])
    expect(first).toMatchObject({ class: 'task', what: `${call} failed: TypeError: this line is wrong` })
    expect(first?.why).toMatch(/^test\/unit\/engine\/failure\.test\.ts:\d+:\d+ threw this error$/)
    expect(first?.fix).toBe('correct test/unit/engine/failure.test.ts, and run again')
  })

  it('in its steps is a problem of the role and the resource', async () => {
    const seed = faulty({
      // biome-ignore lint/correctness/useYield: it fails before its first step
      *apply(work) {
        for (const { spec } of work) onBad(spec)
      },
    })
    expect((await runOf(seed)).problems[0]?.where).toEqual({ host: 'bad', role: 'role garden', resource: 'seed:it' })
  })

  it('in the proof fails that host', async () => {
    let proving = false
    const seed = faulty({
      *apply() {
        proving = true
        yield { do: 'shell', script: sh`:` }
      },
      plan: (spec, state) => {
        if (proving && state === 'new') onBad(spec)
        return planOnce(state)
      },
    })
    const { applied, problems } = await runOf(seed)
    expect(applied.toSorted()).toEqual(['bad', 'good'])
    expect(problems.map(place)).toEqual(['bad'])
  })

  it('in the order of a shared resource: no host changes it', async () => {
    const { applied, problems } = await runOf(faulty({ sequence: fail }))
    expect(applied).toEqual([])
    expect(problems.map(place)).toEqual(hosts)
    expect(problems[0]?.what).toBe('order of kind seed failed: TypeError: this line is wrong')
  })

  it('in its observation or in the reading of the answer names the kind', () => {
    const query = (faults: Partial<Kind<Spec, Spec, State>>) =>
      queryHost('bad', [{ play: 0, role: 'garden', resource: faulty(faults)({ host: 'bad' }) }])
    const errorOf = (act: () => unknown): readonly Problem[] => {
      try {
        act()
      } catch (error) {
        return problemsOn('bad', error)
      }
      return []
    }
    expect(errorOf(() => query({ observe: fail }))[0]).toMatchObject({
      what: 'observation of kind seed failed: TypeError: this line is wrong',
      why: expect.stringMatching(/^test\/unit\/engine\/failure\.test\.ts:\d+:\d+ threw/),
    })
    const { script, read } = query({ observe: () => ({ script: sh``, parse: fail }) })
    const shell = localShell('bad')
    return shell.request(script).then(({ stdout }) =>
      expect(errorOf(() => read(stdout))[0]).toMatchObject({
        what: 'host did not report the state of all resources',
        why: expect.stringMatching(/^seed: this line is wrong \(test\/unit\/engine\/failure\.test\.ts:\d+:\d+\)$/),
      }),
    )
  })
})

describe('an error that concerns one host', () => {
  it('of provision itself asks for a report', () => {
    const error = Object.assign(new TypeError('ours'), { stack: `TypeError: ours\n    at plan (file://${process.cwd()}/src/x.ts:3:4)` })
    expect(problemsOn('a', error)).toMatchObject([
      { what: 'run on this host failed: TypeError: ours', why: 'this is a bug in provision, not in your project' },
    ])
  })

  it('names the first line that is neither of provision nor of a package', () => {
    const frames = [
      `file://${process.cwd()}/src/shell/quote.ts:6:34`,
      '/p/node_modules/zod/index.js:1:1',
      '/srv/my%20site/kinds/seed.ts:7:9',
      'node:internal/x:1:1',
    ]
    const error = Object.assign(new Error('no'), { stack: `Error: no\n${frames.map((frame) => `    at call (${frame})`).join('\n')}` })
    expect(problemsOn('a', error)[0]?.why).toMatch(/kinds\/seed\.ts:7:9 threw this error$/)
  })

  it('is a refusal of the host in the words of the kind', () => {
    expect(problemsOn('a', new HostRefusal('no room', 'the disk is full', 'free space'))).toMatchObject([
      { class: 'task', where: { host: 'a' }, what: 'no room', why: 'the disk is full', fix: 'free space' },
    ])
  })

  it('is the problem of this machine if that failed in its part of the change', () => {
    const cause = new Problem({ class: 'input', where: { file: 'acme.yaml' }, what: 'is wrong', fix: 'mend it' })
    expect(problemsOn('a', new ControllerFailure(cause, [], 'certificate'))).toEqual([cause])
    expect(problemsOn('a', new ControllerFailure(new TypeError('ours'), [], 'certificate'))).toMatchObject([
      { class: 'task', where: { host: 'a' }, what: 'run on this host failed: TypeError: ours' },
    ])
  })

  it('has no problem if the run was interrupted', () => {
    expect(problemsOn('a', new DOMException('stopped', 'AbortError'))).toEqual([])
  })
})

it('a role whose checks cannot be made fails its host, and the others are checked', async () => {
  const role = (host: string) => ({ name: 'garden', verify: host === 'bad' ? fail : () => [] })
  const bound = hosts.map((host) => ({ host, role: role(host), context: { options: {} } }))
  const prepared = { targets: hosts, roles: [], bindings: { bound }, reach: new Map(hosts.map((name) => [name, { name }])) }
  const { problems } = await verify(prepared as unknown as Prepared, new AbortController().signal)
  expect(problems).toMatchObject([
    { class: 'task', where: { host: 'bad', role: 'role garden' }, what: 'verify failed: TypeError: this line is wrong' },
  ])
})

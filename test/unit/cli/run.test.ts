import { describe, expect, test } from 'vitest'
import { type Engine, runSite } from '../../../src/cli/run.ts'
import type { Listener } from '../../../src/engine/events.ts'
import type { Plan } from '../../../src/engine/plan/plan.ts'
import { Problem, Problems } from '../../../src/problem.ts'
import { change, outcomeOf, planOf } from '../report/values.ts'
import { surroundings } from './surroundings.ts'

const problem = (sort: Problem['class']): Problem => new Problem({ class: sort, where: { host: 'a' }, what: 'wrong', fix: 'mend it' })
const nothing: Plan = { changes: [], resources: new Map([['a', 10]]) }
const one = planOf(change('a', 'file:/x'))

interface Story {
  readonly plan?: Plan
  readonly unreachable?: readonly Problem[]
  /** What applying comes to; it counts as a failure when there are problems. */
  readonly applied?: readonly Problem[]
  readonly targets?: readonly string[]
  readonly warnings?: readonly Problem[]
  readonly whileApplying?: (listen: Listener) => void
  readonly prepare?: () => never
  readonly look?: () => never
}

/** An engine made of values, and what it was asked. */
const engineOf = ({
  plan = nothing,
  unreachable = [],
  applied = [],
  targets = ['a'],
  warnings = [],
  whileApplying,
  prepare,
  look,
}: Story) => {
  const asked: string[] = []
  const engine: Engine = {
    prepare: async (options) => {
      asked.push(`prepare ${JSON.stringify(options)}`)
      prepare?.()
      return { targets, warnings, site: { plays: [{ name: 'the play' }] } }
    },
    plan: async (_, { lock, wait }) => {
      asked.push(`plan lock=${lock !== undefined} wait=${wait}`)
      look?.()
      return { plan, unreachable, close: async () => void asked.push('close') }
    },
    savePlan: (_, scope) => JSON.stringify(scope),
    stalenessOf: () => [],
    apply: async (planned, { listen }) => {
      asked.push('apply')
      for (const each of planned.plan.changes) listen({ type: 'change', phase: applied.length > 0 ? 'failed' : 'applied', change: each })
      whileApplying?.(listen)
      const failed = applied.length + unreachable.length > 0
      return {
        ...outcomeOf(failed ? 'failed' : 'changed', { host: 'a', resources: 10, changed: 1, failed: applied.length, unreachable: false }),
        problems: [...unreachable, ...applied],
      }
    },
  }
  return { engine, asked }
}

const run = async (story: Story, values: Parameters<typeof runSite>[1]['values'] = {}, positionals: readonly string[] = []) => {
  const { engine, asked } = engineOf(story)
  const around = surroundings()
  const ended = await runSite(engine, { positionals, rest: [], values }, around)
  return { ended, asked, ...around.said }
}

describe('provision run', () => {
  test.each([
    ['nothing to do', {}, {}, 0],
    ['changes made', { plan: one }, {}, 0],
    ['a dry run that finds changes', { plan: one }, { 'dry-run': true }, 2],
    ['a dry run that finds none', {}, { 'dry-run': true }, 0],
    ['a task that failed', { plan: one, applied: [problem('task')] }, {}, 1],
    ['a host that was not reached', { unreachable: [problem('unreachable')] }, {}, 4],
    ['a failure and a host that was not reached', { plan: one, unreachable: [problem('unreachable')], applied: [problem('task')] }, {}, 1],
    [
      'a dry run with changes, and a host that was not reached',
      { plan: one, unreachable: [problem('unreachable')] },
      { 'dry-run': true },
      4,
    ],
  ] satisfies [string, Story, object, number][])('%s', async (_, story, values, status) => {
    expect((await run(story, values)).ended).toMatchObject({ status })
  })

  test('what is no fault is told, once', async () => {
    const where = { file: 'inventory/site.yaml', line: 3, column: 5 }
    const warning = new Problem({ class: 'input', where, what: 'it is short', fix: 'write more' })
    const line = 'inventory/site.yaml:3:5: it is short: write more'
    expect((await run({ warnings: [warning] })).out.split(line)).toHaveLength(2)
    expect((await run({ warnings: [warning] }, { json: true })).out.split('\n')[0]).toBe(JSON.stringify({ type: 'warning', what: line }))
  })

  test('a dry run takes no lock and applies nothing; a run takes it; both let the hosts go', async () => {
    expect((await run({ plan: one }, { 'dry-run': true })).asked.slice(1)).toEqual(['plan lock=false wait=false', 'close'])
    expect((await run({ plan: one }, { wait: true })).asked.slice(1)).toEqual(['plan lock=true wait=true', 'apply', 'close'])
  })

  test('nothing to do applies nothing', async () => {
    expect((await run({})).asked).not.toContain('apply')
  })

  test('hands on what it was told', async () => {
    const { asked } = await run({}, { inventory: 'inv', limit: ['web', '!web-02'], role: ['nginx'] }, ['one.yaml'])
    expect(JSON.parse(asked[0]?.slice('prepare '.length) ?? '')).toMatchObject({
      root: '/nowhere',
      inventory: 'inv',
      playbooks: ['one.yaml'],
      limit: ['web', '!web-02'],
      roles: ['nginx'],
    })
  })

  test('two ways of telling it are one too many', async () => {
    await expect(run({}, { json: true, output: 'plain' })).rejects.toMatchObject({
      problems: [{ class: 'input', what: expect.stringContaining('--json') }],
    })
    expect((await run({}, { json: true, output: 'json' })).ended).toMatchObject({ status: 0 })
  })

  test('what a saved plan says already may not be said again, and only a dry run saves one', async () => {
    await expect(run({}, { plan: 'p', role: ['nginx'], prune: true }, ['other.yaml'])).rejects.toMatchObject({
      problems: [{ class: 'input', what: '--plan already says what other.yaml --role --prune would' }],
    })
    await expect(run({}, { save: 'p' })).rejects.toMatchObject({ problems: [{ what: expect.stringContaining('--save keeps a plan') }] })
    await expect(run({}, { plan: 'not-there.json' })).rejects.toMatchObject({ what: 'there is no such plan' })
  })

  test('with --json, wrong input is told in JSON too, and thrown on for the exit status', async () => {
    const { engine } = engineOf({
      prepare: () => {
        throw new Problems([problem('input')])
      },
    })
    const around = surroundings()
    await expect(runSite(engine, { positionals: [], rest: [], values: { json: true } }, around)).rejects.toThrow(Problems)
    expect(
      around.said.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['problem', 'summary'])
  })

  test('with --json the last line is the summary, and every line is JSON', async () => {
    const { out } = await run({ plan: one }, { json: true })
    const types = out
      .trim()
      .split('\n')
      .map((line) => `${JSON.parse(line).type} ${JSON.parse(line).phase ?? ''}`.trim())
    expect(types).toEqual(['change planned', 'change applied', 'summary'])
  })

  test('an interrupted run says what is left, lets the hosts go, and ends with 130', async () => {
    const stopping = new AbortController()
    const left = planOf(change('a', 'file:/done'), change('a', 'service:nginx.service'))
    const { engine, asked } = engineOf({ plan: left })
    const around = surroundings({ signal: stopping.signal })
    const cut: Engine = {
      ...engine,
      apply: async (planned, { listen }) => {
        const [first] = planned.plan.changes
        if (first !== undefined) listen({ type: 'change', phase: 'applied', change: first })
        stopping.abort()
        return { ...outcomeOf('failed', { host: 'a', resources: 10, changed: 1, failed: 0, unreachable: false }), problems: [] }
      },
    }
    expect(await runSite(cut, { positionals: [], rest: [], values: {} }, around)).toMatchObject({ status: 130 })
    expect(around.said.out).toContain('1 change not applied; the next run applies it:')
    expect(around.said.out).toContain('service nginx.service')
    expect(asked.at(-1)).toBe('close')
  })
})

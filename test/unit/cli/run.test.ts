import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { type Engine, runSite } from '../../../src/cli/run.ts'
import type { Listener } from '../../../src/engine/events.ts'
import type { Plan } from '../../../src/engine/plan/plan.ts'
import { LockedHost } from '../../../src/host/shell/lock.ts'
import { Problem, Problems } from '../../../src/problem.ts'
import { change, outcomeOf, planOf } from '../report/values.ts'
import { testContext } from './context.ts'

const problem = (problemClass: Problem['class']): Problem =>
  new Problem({ class: problemClass, where: { host: 'a' }, what: 'broken', fix: 'repair it' })
const emptyPlan: Plan = { changes: [], resources: new Map([['a', 10]]) }
const oneChange = planOf(change('a', 'file:/x'))

interface Scenario {
  readonly plan?: Plan
  readonly unreachable?: readonly Problem[]
  /** Problems of the apply step. */
  readonly applied?: readonly Problem[]
  readonly targets?: readonly string[]
  readonly warnings?: readonly Problem[]
  readonly whileApplying?: (listen: Listener) => void
  readonly prepare?: () => never
  readonly observe?: () => never
}

/** Returns an engine with fixed results, and the calls it received. */
const engineOf = ({
  plan = emptyPlan,
  unreachable = [],
  applied = [],
  targets = ['a'],
  warnings = [],
  whileApplying,
  prepare,
  observe,
}: Scenario) => {
  const calls: string[] = []
  const engine: Engine = {
    prepare: async (options) => {
      calls.push(`prepare ${JSON.stringify(options)}`)
      prepare?.()
      return { targets, warnings, site: { plays: [{ name: 'the play' }] } }
    },
    plan: async (_, { lock, wait }) => {
      calls.push(`plan lock=${lock !== undefined} wait=${wait}`)
      observe?.()
      return { plan, unreachable, close: async () => void calls.push('close') }
    },
    savePlan: (_, scope) => JSON.stringify(scope),
    stalenessOf: () => [],
    apply: async (planned, { listen }) => {
      calls.push('apply')
      for (const each of planned.plan.changes) listen({ type: 'change', phase: applied.length > 0 ? 'failed' : 'applied', change: each })
      whileApplying?.(listen)
      const failed = applied.length + unreachable.length > 0
      return {
        ...outcomeOf(failed ? 'failed' : 'changed', { host: 'a', resources: 10, changed: 1, failed: applied.length, unreachable: false }),
        problems: [...unreachable, ...applied],
      }
    },
  }
  return { engine, calls }
}

const run = async (scenario: Scenario, values: Parameters<typeof runSite>[1]['values'] = {}, positionals: readonly string[] = []) => {
  const { engine, calls } = engineOf(scenario)
  const context = testContext()
  const result = await runSite(engine, { positionals, rest: [], values }, context)
  return { result, calls, ...context.output }
}

describe('provision run', () => {
  test.each([
    ['nothing to do', {}, {}, 0],
    ['changes applied', { plan: oneChange }, {}, 0],
    ['a dry run that finds changes', { plan: oneChange }, { 'dry-run': true }, 2],
    ['a dry run that finds none', {}, { 'dry-run': true }, 0],
    ['a task that failed', { plan: oneChange, applied: [problem('task')] }, {}, 1],
    ['an unreachable host', { unreachable: [problem('unreachable')] }, {}, 4],
    ['a failure and an unreachable host', { plan: oneChange, unreachable: [problem('unreachable')], applied: [problem('task')] }, {}, 1],
    ['a dry run with changes, and an unreachable host', { plan: oneChange, unreachable: [problem('unreachable')] }, { 'dry-run': true }, 4],
  ] satisfies [string, Scenario, object, number][])('%s', async (_, scenario, values, status) => {
    expect((await run(scenario, values)).result).toMatchObject({ status })
  })

  test('a locked host is busy, not unreachable; one that failed before its plan is not planned', async () => {
    const locked = new LockedHost({ class: 'task', where: { host: 'a' }, what: 'host is locked', fix: 'wait' })
    for (const [unreachable, word] of [
      [[locked], 'busy'],
      [[problem('task')], 'not planned'],
      [[locked, problem('task')], 'not planned'],
      [[problem('unreachable')], 'unreachable'],
    ] as const) {
      const { out } = await run({ plan: { changes: [], resources: new Map() }, unreachable })
      expect(out).toMatch(new RegExp(`^ {2}a +${word}$`, 'm'))
      expect(out).toContain(`1 host ${word}, 0 changes applied`)
    }
    const { out } = await run({ plan: { changes: [], resources: new Map() }, unreachable: [locked] }, { json: true })
    const hosts = { a: { resources: 0, changed: 0, failed: 0, unreachable: false, unplanned: 'busy' } }
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({ type: 'summary', result: 'failed', hosts })
  })

  test('prints a warning once', async () => {
    const where = { file: 'inventory/site.yaml', line: 3, column: 5 }
    const warning = new Problem({ class: 'input', where, what: 'it is short', fix: 'write more' })
    const line = 'inventory/site.yaml:3:5: it is short: write more'
    expect((await run({ warnings: [warning] })).out.split(line)).toHaveLength(2)
    expect((await run({ warnings: [warning] }, { json: true })).out.split('\n')[0]).toBe(JSON.stringify({ type: 'warning', what: line }))
  })

  test('locks and applies only without --dry-run, and releases the hosts either way', async () => {
    expect((await run({ plan: oneChange }, { 'dry-run': true })).calls.slice(1)).toEqual(['plan lock=false wait=false', 'close'])
    expect((await run({ plan: oneChange }, { wait: true })).calls.slice(1)).toEqual(['plan lock=true wait=true', 'apply', 'close'])
  })

  describe('at a terminal', () => {
    const asked = async (answer: string, values: object = {}, more: object = {}, plan = oneChange) => {
      const { engine, calls } = engineOf({ plan })
      const questions: string[] = []
      const ask = async (question: string): Promise<string> => {
        questions.push(question)
        return answer
      }
      const context = testContext({ ask, ...more })
      const result = await runSite(engine, { positionals: [], rest: [], values }, context)
      return { result, questions, applied: calls.includes('apply'), closed: calls.at(-1) === 'close', out: context.output.out }
    }

    test.each(['y', 'Yes', ' y '])('applies the plan after the answer %j', async (answer) => {
      expect(await asked(answer)).toMatchObject({ questions: ['\nApply this change? [y/N] '], applied: true, result: { status: 0 } })
    })

    test.each(['', 'n', 'yellow', 'no'])('ends as a dry run after the answer %j', async (answer) => {
      const run = await asked(answer)
      expect(run).toMatchObject({ questions: ['\nApply this change? [y/N] '], applied: false, closed: true, result: { status: 2 } })
      expect(run.out).toContain('1 change on 1 host  1 to create, nothing was changed')
    })

    test.each<[string, object, object, boolean, Plan]>([
      ['with --yes', { yes: true }, {}, true, oneChange],
      ['for a saved plan', { plan: 'PLAN' }, {}, true, oneChange],
      ['with --json', { json: true }, {}, true, oneChange],
      ['with --output json', { output: 'json' }, {}, true, oneChange],
      ['in a CI job', {}, { env: { USER: 'tester', CI: 'true' } }, true, oneChange],
      ['in a dry run', { 'dry-run': true }, {}, false, oneChange],
      ['without a change', {}, {}, false, emptyPlan],
    ])('asks nothing %s', async (_, values, more, applied, plan) => {
      const directory = mkdtempSync(join(tmpdir(), 'provision-ask-'))
      onTestFinished(() => rmSync(directory, { recursive: true }))
      const scope = { playbooks: [], limit: [], roles: [], prune: false }
      const saved = { format: 3, provision: packageJson.version, saved: '', salt: '0'.repeat(32), hosts: [], manners: [], changes: [] }
      writeFileSync(join(directory, 'PLAN'), JSON.stringify({ ...saved, scope }))
      expect(await asked('n', values, { directory, ...more }, plan)).toMatchObject({ questions: [], applied })
    })
  })

  test('applies nothing if there is nothing to do', async () => {
    expect((await run({})).calls).not.toContain('apply')
  })

  test('passes its options to the engine', async () => {
    const { calls } = await run({}, { inventory: 'inv', limit: ['web', '!web-02'], role: ['nginx'] }, ['one.yaml'])
    expect(JSON.parse(calls[0]?.slice('prepare '.length) ?? '')).toMatchObject({
      root: '/nowhere',
      inventory: 'inv',
      playbooks: ['one.yaml'],
      limit: ['web', '!web-02'],
      roles: ['nginx'],
    })
  })

  test('rejects --json with another --output', async () => {
    await expect(run({}, { json: true, output: 'plain' })).rejects.toMatchObject({
      problems: [{ class: 'input', what: expect.stringContaining('--json') }],
    })
    expect((await run({}, { json: true, output: 'json' })).result).toMatchObject({ status: 0 })
  })

  test('rejects options that contradict each other', async () => {
    await expect(run({}, { plan: 'p', role: ['nginx'], prune: true }, ['other.yaml'])).rejects.toMatchObject({
      problems: [{ class: 'input', what: '--plan cannot be combined with other.yaml --role --prune' }],
    })
    await expect(run({}, { retire: ['web-03'], limit: ['web'] })).rejects.toMatchObject({
      problems: [{ class: 'input', what: '--retire cannot be combined with --limit' }],
    })
    await expect(run({}, { save: 'p' })).rejects.toMatchObject({ problems: [{ what: expect.stringContaining('--save needs --dry-run') }] })
    await expect(run({}, { plan: 'not-there.json' })).rejects.toMatchObject({ what: 'plan file does not exist' })
    await expect(run({}, { plan: '/dev/zero' })).rejects.toMatchObject({ what: 'plan file is not a regular file' })
  })

  test('paths that lead out of the project are refused with --plan and with --save, before the site is read', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'provision-plan-')), 'plan.json')
    onTestFinished(() => rmSync(dirname(file), { recursive: true }))
    const scope = { inventory: '../shadow', playbooks: [], limit: [], roles: [], prune: false }
    const plan = { format: 3, provision: packageJson.version, saved: '', salt: '0'.repeat(32), hosts: [], manners: [], changes: [] }
    writeFileSync(file, JSON.stringify({ ...plan, scope }))
    const prepare = () => {
      throw new Error('the site was read')
    }
    const refusal = { what: 'plan does not belong to this project: ../shadow is outside the project folder' }
    await expect(run({ prepare }, { plan: file })).rejects.toMatchObject(refusal)
    await expect(run({ prepare }, { 'dry-run': true, save: file, inventory: '../shadow' })).rejects.toMatchObject(refusal)
    await expect(run({ prepare }, { 'dry-run': true, inventory: '../shadow' })).rejects.toThrow('the site was read')
  })

  test('with --json, invalid input is printed as JSON, and thrown for the exit status', async () => {
    const { engine } = engineOf({
      prepare: () => {
        throw new Problems([problem('input')])
      },
    })
    const context = testContext()
    await expect(runSite(engine, { positionals: [], rest: [], values: { json: true } }, context)).rejects.toThrow(Problems)
    expect(
      context.output.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).type),
    ).toEqual(['problem', 'summary'])
  })

  test('with --json the last line is the summary, and every line is JSON', async () => {
    const { out } = await run({ plan: oneChange }, { json: true })
    const types = out
      .trim()
      .split('\n')
      .map((line) => `${JSON.parse(line).type} ${JSON.parse(line).phase ?? ''}`.trim())
    expect(types).toEqual(['change planned', 'change applied', 'summary'])
  })

  test.each(['prepare', 'plan'] as const)('one interruption ends a run that only waits: %s', async (call) => {
    const interruption = new AbortController()
    const { engine, calls } = engineOf({ plan: oneChange })
    const context = testContext({ signal: interruption.signal })
    const waiting: Engine = {
      ...engine,
      [call]: () => {
        calls.push(`${call} waits`)
        setTimeout(() => interruption.abort(), 5)
        return new Promise(() => {})
      },
    }
    const run = runSite(waiting, { positionals: [], rest: [], values: { 'dry-run': true, json: true } }, context)
    await expect(run).rejects.toMatchObject({ name: 'AbortError' })
    expect(calls.at(-1)).toBe(`${call} waits`)
    expect(JSON.parse(context.output.out.trim().split('\n').at(-1) ?? '')).toMatchObject({ type: 'summary', result: 'failed' })
  })

  test('an interrupted run lists unapplied changes, releases the hosts, and exits with 130', async () => {
    const interruption = new AbortController()
    const twoChanges = planOf(change('a', 'file:/done'), change('a', 'service:nginx.service'))
    const { engine, calls } = engineOf({ plan: twoChanges })
    const context = testContext({ signal: interruption.signal })
    const interrupted: Engine = {
      ...engine,
      apply: async (planned, { listen }) => {
        const [first] = planned.plan.changes
        if (first !== undefined) listen({ type: 'change', phase: 'applied', change: first })
        interruption.abort()
        return { ...outcomeOf('failed', { host: 'a', resources: 10, changed: 1, failed: 0, unreachable: false }), problems: [] }
      },
    }
    expect(await runSite(interrupted, { positionals: [], rest: [], values: {} }, context)).toMatchObject({ status: 130 })
    expect(context.output.out).toContain('1 change not applied; run the same command again to apply it:')
    expect(context.output.out).toContain('service nginx.service')
    expect(calls.at(-1)).toBe('close')
  })
})

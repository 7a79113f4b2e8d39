import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { type CommandSpec, command } from '../../../../src/resource/system/command.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const observed = (...specs: readonly CommandSpec[]): ReadonlyMap<string, { readonly done: boolean }> => {
  const probe = command.kind.observe(specs)
  return probe.parse(spawnSync('/bin/sh', ['-s'], { input: `{ ${probe.script}\n} 2>/dev/null </dev/null` }).stdout, NOTHING)
}
const one = (name: string, more: { unless?: string; creates?: string }): CommandSpec => command({ name, run: ':', ...more }).spec

describe('a command', () => {
  it('is done if its condition succeeds, with any output', () => {
    const state = observed(
      one('true', { unless: 'true' }),
      one('false', { unless: 'false' }),
      one('exits', { unless: 'exit 0' }),
      one('lies', { unless: "echo '1 0'; exit 1" }),
      one('broken', { unless: 'if' }),
      one('there', { creates: '/etc/passwd' }),
      one('not there', { creates: "/nowhere/it's" }),
      one('both', { creates: '/etc/passwd', unless: 'false' }),
    )
    expect([...state].filter(([, { done }]) => done).map(([name]) => name)).toEqual(['true', 'exits', 'there'])
    expect(state.size).toBe(8)
  })

  it('is opaque, and has the reason why it will run', () => {
    expect(command.kind.plan(one('x', { creates: '/a' }), { done: false }, context)).toMatchObject({
      action: 'run',
      certainty: 'opaque',
      reason: '/a is missing',
    })
    expect(command.kind.plan(one('x', { unless: 'a' }), { done: true }, context)).toBeUndefined()
  })

  it.each([
    ['echo fine', 0, ''],
    ['echo first; false; echo second', 1, 'first\n'],
    ['exit 7', 7, ''],
    ["printf '%s' \"it's\"; exit 1", 1, "it's"],
  ])('runs as it was written and ends at its first failure: %s', (run, code, said) => {
    const steps = command.kind.apply([
      {
        id: 'x',
        spec: { name: 'x', run },
        state: { done: false },
        change: { action: 'run', certainty: 'opaque', reason: '', differences: [] },
      },
    ])
    const step = steps.next().value
    if (step?.do !== 'shell') throw new Error('no script')
    const ran = spawnSync('/bin/sh', ['-c', String(step.script)])
    expect(ran.status).toBe(code)
    const answer = { code: ran.status ?? -1, stdout: ran.stdout, stderr: ran.stderr.toString() }
    if (code === 0) expect(steps.next(answer).done).toBe(true)
    else {
      expect(answer.stderr).toBe(said)
      expect(() => steps.next(answer)).toThrow(HostRefusal)
    }
  })

  it.each([
    [undefined, undefined],
    [90, 5_400_000],
  ])('within %s minutes: a step of %s ms', (withinMinutes, withinMs) => {
    const { spec } = command({ name: 'x', run: ':', creates: '/a', ...(withinMinutes === undefined ? {} : { withinMinutes }) })
    const [work] = [
      { id: 'x', spec, state: { done: false }, change: { action: 'run', certainty: 'opaque', reason: '', differences: [] } },
    ] as const
    const step = command.kind.apply([work]).next().value
    expect(step?.do === 'shell' && step.withinMs).toBe(withinMs)
  })

  it('needs a condition', () => {
    expect(() => command({ name: 'x', run: 'true' })).toThrow('the command would run every time')
  })

  it('creates files that every account can read, as a root shell would', () => {
    const host = here()
    try {
      const tool = command({ name: 'tool', run: `mkdir ${host.at('tool')}; : >${host.at('tool/x')}`, creates: host.at('tool/x') })
      expect(host.apply(host.plan(tool), tool.kind, 'umask 077')).toBeUndefined()
      expect(host.sh('stat -c %a tool tool/x')).toBe('755\n644\n')
    } finally {
      host.remove()
    }
  })

  it('is skipped if somebody has done it since the observation', () => {
    const host = here()
    try {
      const [first, second] = ['first', 'second'].map((name) =>
        command({ name, run: `echo ${name} >>${host.at('log')}; : >${host.at(name)}`, creates: host.at(name) }),
      )
      if (first === undefined || second === undefined) throw new Error('two commands')
      const work = host.plan(first, second)
      host.sh(': >first')
      expect(host.apply(work, command.kind)).toBeUndefined()
      expect(host.sh('cat log')).toBe('second\n')
    } finally {
      host.remove()
    }
  })

  it('that fails is named, and those before it count as done', () => {
    const host = here()
    try {
      const all = ['true', 'false', 'true'].map((run, i) => command({ name: `c${i}`, run, unless: 'false' }))
      expect(host.apply(host.plan(...all), command.kind)).toMatchObject({
        what: 'command c1 failed (exit 1)',
        why: 'the host printed nothing',
        done: ['c0'],
        culprit: 'c1',
      })
    } finally {
      host.remove()
    }
  })
})

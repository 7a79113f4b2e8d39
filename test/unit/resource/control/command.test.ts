import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type CommandSpec, command } from '../../../../src/resource/control/command.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const observed = (...specs: readonly CommandSpec[]): ReadonlyMap<string, { readonly done: boolean }> => {
  const probe = command.kind.observe(specs)
  return probe.parse(spawnSync('/bin/sh', ['-s'], { input: `{ ${probe.script}\n} 2>/dev/null </dev/null` }).stdout, NOTHING)
}
const one = (name: string, more: { unless?: string; creates?: string }): CommandSpec => command({ name, run: ':', ...more }).spec

describe('a command', () => {
  it('is done if its condition succeeds, with any output', () => {
    const links = mkdtempSync(join(tmpdir(), 'command-'))
    onTestFinished(() => rmSync(links, { recursive: true }))
    symlinkSync('nowhere', join(links, 'dangling'))
    const state = observed(
      one('true', { unless: 'true' }),
      one('false', { unless: 'false' }),
      one('exits', { unless: 'exit 0' }),
      one('lies', { unless: "echo '1 0'; exit 1" }),
      one('broken', { unless: 'if' }),
      one('there', { creates: '/etc/passwd' }),
      one('not there', { creates: "/nowhere/it's" }),
      one('both', { creates: '/etc/passwd', unless: 'false' }),
      one('leaves', { unless: 'cd /; T=; i=9; exit 1' }),
      one('a link to nothing', { creates: join(links, 'dangling') }),
    )
    expect([...state].filter(([, { done }]) => done).map(([name]) => name)).toEqual(['true', 'exits', 'there', 'a link to nothing'])
    expect(state.size).toBe(10)
    expect(state.get('false')).toEqual({ done: false })
    // Lines of a condition that are no results.
    expect([...command.kind.observe([one('x', { unless: 'a' })]).parse(Buffer.from('x0 0\n0 0x\n7 0\n'), NOTHING)]).toEqual([])
  })

  it('is opaque, and has the reason why it will run', () => {
    expect(command.kind.plan(one('x', { creates: '/a' }), { done: false }, context)).toMatchObject({
      action: 'run',
      certainty: 'opaque',
      reason: '/a is missing',
    })
    expect(command.kind.plan(one('x', { unless: 'a' }), { done: false }, context)).toEqual({
      ...{ action: 'run', certainty: 'opaque', reason: 'not done yet', differences: [] },
    })
    expect(command.kind.plan(one('x', { unless: 'a' }), { done: true }, context)).toBeUndefined()
    expect(command.kind.orphan).toEqual({ forget: true, record: expect.any(Function) })
  })

  it.each([
    ['echo fine', 0, ''],
    ['echo first; false; echo second', 1, 'first\n'],
    ['exit 7', 7, ''],
    ["printf '%s' \"it's\"; exit 1", 1, "it's"],
    ['echo out; echo error >&2; exit 2', 2, 'out\nerror\n'],
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

  it('reads its input, also if that is a secret', () => {
    const host = here()
    try {
      const reading = (name: string, input: string | Secret) => {
        const { id, spec } = command({ name, run: `cat >${host.at(name)}`, unless: 'false', input })
        return { id, spec, state: { done: false }, change: { action: 'run', certainty: 'opaque', reason: '', differences: [] } } as const
      }
      expect(host.apply([reading('plain', 'words\n')], command.kind)).toBeUndefined()
      expect(host.sh('cat plain')).toBe('words\n')
      const step = command.kind.apply([reading('secret', new Secret('s3cret'))]).next().value
      const input = step?.do === 'shell' ? step.input : undefined
      expect(input instanceof Secret && input.reveal()).toBe('s3cret')
      expect(step?.do === 'shell' && String(step.script)).not.toContain('s3cret')
      const without = command.kind.apply([{ ...reading('x', ''), spec: one('x', { unless: 'false' }) }]).next().value
      expect(without).not.toHaveProperty('input')
    } finally {
      host.remove()
    }
  })

  it('shows the last 8 KB of its output if it fails, and leaves no file behind', () => {
    const host = here()
    try {
      const long = command({ name: 'long', run: 'seq 10000; echo last >&2; exit 3', unless: 'false' })
      const [work] = host.plan(long)
      const step = command.kind.apply(work === undefined ? [] : [work as never]).next().value
      const { code, stdout, stderr } = host.run(step?.do === 'shell' ? String(step.script) : 'exit 9')
      expect({ code, stdout: stdout.toString(), length: stderr.length }).toEqual({ code: 3, stdout: '', length: 8192 })
      expect(stderr.endsWith('\n9999\n10000\nlast\n')).toBe(true)
      expect(host.sh('ls T')).toBe('i\n')
    } finally {
      host.remove()
    }
  })

  it('does not run without a place for its output', () => {
    const host = here()
    try {
      const mark = command({ name: 'mark', run: `: >${host.at('ran')}`, creates: host.at('ran') })
      expect(host.apply(host.plan(mark), mark.kind, 'T=/nowhere')).toMatchObject({ what: 'command mark failed (exit 96)', culprit: 'mark' })
      expect(host.sh('ls -d ran 2>/dev/null')).toBe('')
    } finally {
      host.remove()
    }
  })

  it.each<[string, Parameters<typeof command>[0]]>([
    ['an empty script', { name: 'x', run: ' \n', creates: '/a' }],
    ['a script with a NUL', { name: 'x', run: 'a\0', creates: '/a' }],
    ['a condition with a NUL', { name: 'x', run: 'a', unless: '\0a' }],
    ['a name of two lines', { name: 'x\ny', run: 'a', creates: '/a' }],
    ['no name', { name: '', run: 'a', creates: '/a' }],
    ['more than a week', { name: 'x', run: 'a', creates: '/a', withinMinutes: 7 * 24 * 60 + 1 }],
    ['no time', { name: 'x', run: 'a', creates: '/a', withinMinutes: 0 }],
  ])('is refused with %s', (_, options) => {
    expect(() => command(options)).toThrow()
  })

  it('is refused by the name of the option', () => {
    expect(faultsOf(command, { name: 'x', run: 'true' })).toEqual(['unless'])
    expect(faultsOf(command, { name: 'x', run: 7, creates: 'a', input: 7 })).toEqual(['run', 'creates', 'input'])
    for (const more of [{ unless: 'true' }, { creates: '/a' }, { creates: '/a', input: '' }, { creates: '/a', input: new Secret('s') }])
      expect(faultsOf(command, { name: 'x', run: 'true', ...more })).toEqual([])
  })

  it('may take a week, and be a script of the shell tag', () => {
    const { spec } = command({ name: 'x', run: sh`echo ${'a b'}`, creates: '/a', withinMinutes: 7 * 24 * 60 })
    expect(spec.run).toBe("echo 'a b'")
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

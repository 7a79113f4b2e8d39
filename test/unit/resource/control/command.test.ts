import { describe, expect, it } from 'vitest'
import type { Reply } from '../../../../src/resource/control/ask.ts'
import { type CommandSpec, command } from '../../../../src/resource/control/command.ts'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const NEEDED = { action: 'run', certainty: 'opaque', reason: '', differences: [] } as const
const work = (spec: CommandSpec) => ({ id: spec.name, spec, state: {}, change: NEEDED })

const one = (name: string, more: Partial<Parameters<typeof command>[0]>): CommandSpec => command({ name, run: ':', ...more }).spec

describe('a command', () => {
  it('is done if its conditions hold, with any output', () => {
    const host = here()
    try {
      host.sh('ln -s nowhere dangling')
      const commands = [
        one('true', { unless: 'true' }),
        one('false', { unless: 'false' }),
        one('exits', { unless: 'exit 0' }),
        one('lies', { unless: "echo '1 unless 0 '; exit 1" }),
        one('there', { creates: '/etc/passwd' }),
        one('not there', { creates: "/nowhere/it's" }),
        one('both', { creates: '/etc/passwd', unless: 'false' }),
        one('leaves', { unless: 'cd /; T=; i=9; status=0; exit 1' }),
        one('a link to nothing', { creates: host.at('dangling') }),
        one('silent', { unless: 'exit 3' }),
        one('reads', { unless: 'read -r word' }),
        one('two', { unless: 'false', creates: '/nowhere' }),
        one('forbidden', { unless: 'false', onlyIf: 'false' }),
        one('permitted', { unless: 'false', onlyIf: '[ $PWD = /etc ] && [ -e passwd ]', directory: '/etc' }),
      ]
      const needed = host.plan(...commands.map((spec) => ({ kind: command.kind, id: spec.name, spec })))
      expect(needed.map(({ id, change }) => `${id}: ${change.reason}`)).toEqual([
        'false: not done yet',
        'lies: not done yet',
        "not there: /nowhere/it's is missing",
        'both: not done yet',
        'leaves: not done yet',
        'silent: not done yet',
        'reads: not done yet',
        'two: /nowhere is missing, and 1 more',
        'permitted: not done yet',
      ])
    } finally {
      host.remove()
    }
  })

  it.each([
    ['grep -q x /nowhere/file', /^exit 2: grep: \/nowhere\/file: No such file/],
    ['if', /^exit 2: .*[Ss]yntax error/],
    ['surely-no-program', /^exit 127: .*surely-no-program.*not found/],
    ['kill -9 $$', /^exit 1|^no answer/],
    ['sh -c "kill -9 \\$\\$"', /^exit 137:/],
    [`printf '%s\\n' "0 onlyIf 0 " >&2; exit 5`, /^exit 5: 0 onlyIf 0$/],
  ])('is no answer if its condition fails: %s', (condition, words) => {
    const host = here()
    try {
      for (const name of ['unless', 'onlyIf'] as const) {
        const { spec } = command({ name: 'x', run: ':', unless: 'false', [name]: condition })
        const [needed] = host.plan({ kind: command.kind, id: 'x', spec })
        const refusal = command.kind.forbids?.(spec, needed?.state as object, context)
        expect(refusal?.what).toBe(`condition \`${name}\` of x failed`)
        expect(refusal?.why).toMatch(words)
        // A package may bring the program.
        for (const pending of [{ mayBringMore: true }, { packagesPending: true }, { opaquePending: true }, { changesBelow: () => true }])
          expect(command.kind.forbids?.(spec, needed?.state as object, { ...context, ...pending })).toBeUndefined()
      }
    } finally {
      host.remove()
    }
  })

  it('may run if an earlier change can let onlyIf succeed', () => {
    const { spec } = command({ name: 'x', run: 'a', unless: 'b', onlyIf: 'c' })
    const plan = (onlyIf: Reply, more: object = {}) => command.kind.plan(spec, { unless: 'no', onlyIf }, { ...context, ...more })?.reason
    expect(plan('no')).toBeUndefined()
    expect(plan('yes')).toBe('not done yet')
    expect(plan('no', { changesBelow: (path: string) => path === '' })).toBe('not done yet, if `onlyIf` succeeds then')
    expect(plan({ failed: 'exit 2: x' }, { packagesPending: true })).toBe('not done yet, if `onlyIf` succeeds then')
  })

  it('has a minute for the conditions of all commands, and names those without an answer', () => {
    const { spec } = command({ name: 'x', run: 'a', unless: 'b', onlyIf: 'c' })
    const { parse, script } = command.kind.observe([spec, command({ name: 'y', run: 'a', creates: '/a' }).spec])
    expect(String(script)).toContain('timeout -k 5 60 sh')
    const answers: Answers = { ...NOTHING, inodes: new Map([['/a', ABSENT]]) }
    expect(parse(Buffer.from('0 unless 1 \n0 onlyIf 7 \n9 unless 0 \n'), answers).get('x')).toEqual({
      unless: 'no',
      onlyIf: { failed: 'no answer within 60 s' },
    })
    expect(parse(Buffer.from(''), answers).get('y')).toEqual({ missing: true })
  })

  it('is opaque, and has the reason why it will run', () => {
    expect(command.kind.plan(one('x', { creates: '/a' }), { missing: true }, context)).toMatchObject({
      action: 'run',
      certainty: 'opaque',
      reason: '/a is missing',
    })
    expect(command.kind.plan(one('x', { unless: 'a' }), { unless: 'no' }, context)).toEqual({
      ...{ action: 'run', certainty: 'opaque', reason: 'not done yet', differences: [] },
    })
    expect(command.kind.plan(one('x', { unless: 'a' }), { unless: 'yes' }, context)).toBeUndefined()
    expect(command.kind.plan(one('x', { unless: 'a' }), { unless: 'yes' }, { ...context, anyPackagesPending: true })).toMatchObject({
      action: 'run',
      certainty: 'opaque',
      reason: '`unless` is asked again after the installation of packages',
    })
    expect(command.kind.orphan).toEqual({ forget: true, record: expect.any(Function) })
  })

  it.each([
    ['echo fine', 0, ''],
    ['echo first; false; echo second', 1, 'first\n'],
    ['exit 7', 7, ''],
    ["printf '%s' \"it's\"; exit 1", 1, "it's"],
    ['echo out; echo error >&2; exit 2', 2, 'out\nerror\n'],
  ])('runs as it was written and ends at its first failure: %s', (run, code, said) => {
    const host = here()
    try {
      const refusal = host.apply([work(one('x', { run, creates: '/nowhere' }))], command.kind)
      if (code === 0) expect(refusal).toBeUndefined()
      if (code === 0) expect(host.notices).toEqual(['command x printed:\nfine'])
      else expect(refusal).toMatchObject({ what: `command x failed (exit ${code})`, why: said.trim() || 'the host printed nothing' })
    } finally {
      host.remove()
    }
  })

  it.each([
    [undefined, undefined],
    [90, 5_400_000],
  ])('within %s minutes: a step of %s ms', (withinMinutes, withinMs) => {
    const { spec } = command({ name: 'x', run: ':', creates: '/a', ...(withinMinutes === undefined ? {} : { withinMinutes }) })
    const step = command.kind.apply([work(spec)]).next().value
    expect(step?.do === 'shell' && step.withinMs).toBe(withinMs)
  })

  it('needs a condition', () => {
    expect(() => command({ name: 'x', run: 'true' })).toThrow('without a condition it would run every time')
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

  it('reads its input, also if that is a secret, which is in no argument', () => {
    const host = here()
    try {
      const reading = (input?: string | Secret) =>
        work(one('x', { run: `cat >${host.at('read')}`, unless: 'false', ...(input !== undefined && { input }) }))
      expect(host.apply([reading("it's\nplain\n")], command.kind)).toBeUndefined()
      expect(host.sh('cat read')).toBe("it's\nplain\n")
      expect(host.apply([reading()], command.kind)).toBeUndefined()
      expect(host.sh('wc -c <read')).toBe('0\n')
      const step = command.kind.apply([reading(new Secret('s3cret'))]).next().value
      const input = step?.do === 'shell' ? step.input : undefined
      expect(input instanceof Secret && input.reveal().endsWith('\ns3cret')).toBe(true)
      expect(step?.do === 'shell' && String(step.script)).not.toContain('s3cret')
    } finally {
      host.remove()
    }
  })

  it('shows the last 8 KB of its output if it fails, and leaves no file behind', () => {
    const host = here()
    try {
      const long = command({ name: 'long', run: 'seq 10000; echo last >&2; exit 3', unless: 'false' })
      const step = command.kind.apply([work(long.spec)]).next().value
      if (step?.do !== 'shell') throw new Error('no script')
      const { code, stdout, stderr } = host.run(String(step.script), step.input as Uint8Array)
      expect({ code, stdout: stdout.toString(), length: stderr.length }).toEqual({ code: 3, stdout: 'exit 3\n', length: 8192 })
      expect(stderr.endsWith('\n9999\n10000\nlast\n')).toBe(true)
      expect(host.sh('ls T')).toBe('i\n')
    } finally {
      host.remove()
    }
  })

  it('writes no file however much it prints, and keeps its status', { timeout: 60_000 }, () => {
    const host = here()
    try {
      const run = `yes 0123456789 | head -c 200000000; du -sk ${host.at('T')} | cut -f 1 >${host.at('used')}; echo last; exit 5`
      const step = command.kind.apply([work(one('huge', { run, unless: 'false' }))]).next().value
      if (step?.do !== 'shell') throw new Error('no script')
      const { code, stdout, stderr } = host.run(String(step.script), step.input as Uint8Array)
      expect({ code, stdout: stdout.toString(), length: stderr.length }).toEqual({ code: 5, stdout: 'exit 5\n', length: 8192 })
      expect(stderr).toMatch(/0123456789\n.*last\n$/)
      expect(Number(host.sh('cat used'))).toBeLessThan(1000)
    } finally {
      host.remove()
    }
  })

  it('that a signal ends has the status of a shell', () => {
    const host = here()
    try {
      const killed = command({ name: 'killed', run: 'echo dying; kill -9 $$', unless: 'false' })
      const refusal = host.apply([work(killed.spec)], command.kind)
      expect(refusal).toMatchObject({ what: 'command killed failed (exit 137)', why: 'dying' })
    } finally {
      host.remove()
    }
  })

  it('is not waited for longer than it runs, and what it leaves in the background can go on printing', () => {
    const host = here()
    try {
      const run = `( sleep 2; i=0; while [ $i -lt 1000 ]; do echo "$i late"; i=$((i+1)); done; : >${host.at('alive')} ) & echo started`
      const begun = Date.now()
      expect(host.apply([work(one('leaving', { run, unless: 'false' }))], command.kind)).toBeUndefined()
      expect(Date.now() - begun).toBeLessThan(2000)
      expect(host.notices.join()).toContain('started')
      expect(host.sh('i=0; until [ -e alive ] || [ $i = 50 ]; do sleep 0.1; i=$((i+1)); done; ls alive')).toBe('alive\n')
    } finally {
      host.remove()
    }
  })

  it('that closes its output is waited for', () => {
    const host = here()
    try {
      const closing = one('closing', { run: `exec >&- 2>&-; sleep 0.3; : >${host.at('done')}; exit 4`, unless: 'false' })
      expect(host.apply([work(closing)], command.kind)?.what).toBe('command closing failed (exit 4)')
      expect(host.sh('ls done')).toBe('done\n')
    } finally {
      host.remove()
    }
  })

  it('does not run without a place for the answers of its conditions', () => {
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

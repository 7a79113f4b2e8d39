import { writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type CommandSpec, command } from '../../../../src/resource/control/command.ts'
import { script } from '../../../../src/resource/control/script.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const host = () => {
  const made = here()
  onTestFinished(made.remove)
  const run = (resource: Resource, causes: readonly string[] = []) => {
    const change = { action: 'run', certainty: 'opaque', reason: '', differences: [], causes } as const
    return made.apply([{ id: resource.id, spec: resource.spec, state: {}, change }], resource.kind)
  }
  return { ...made, run }
}
const isRoot = process.getuid?.() === 0
const NEVER = { name: 'x', creates: '/nowhere' }

describe('a command', () => {
  it('has its directory, umask and environment, and no argument of ours', () => {
    const { run, notices } = host()
    const environment = { A: "it's\n$HOME", PORT: 8080, TOKEN: new Secret('correct horse') }
    const printing = `pwd; umask; printf '%s|' "$A" "$PORT" "$TOKEN" "$#" "$(cat)"`
    expect(run(command({ ...NEVER, run: printing, directory: '/etc', umask: '027', environment, input: 'in\nput' }))).toBeUndefined()
    expect(notices).toEqual(["command x printed:\n/etc\n0027\nit's\n$HOME|8080|•••|0|in\nput|"])
  })

  it('sends a secret of the environment on standard input only, and masks it in a failure', () => {
    const { run } = host()
    const spec = { ...NEVER, run: 'tr "\\0" "\\n" </proc/$$/cmdline; echo "$TOKEN"; exit 4', environment: { TOKEN: new Secret("don't") } }
    const step = command.kind.apply([{ id: 'x', spec: command(spec).spec, state: {}, change: CHANGE }]).next().value
    if (step?.do !== 'shell') throw new Error('no script')
    expect(String(step.script)).not.toContain('don')
    expect(step.input).toBeInstanceOf(Secret)
    const refusal = run(command(spec))
    expect(refusal?.what).toBe('command x failed (exit 4)')
    // The engine masks the words of a refusal.
    expect(refusal?.why.split("don't").length).toBe(2)
  })

  it('succeeds with an expected exit status only', () => {
    const { run } = host()
    const exits = (status: number, exitCodes?: readonly number[]) =>
      run(command({ ...NEVER, run: `exit ${status}`, ...(exitCodes && { exitCodes: [...exitCodes] }) }))?.what
    expect(exits(3, [0, 3])).toBeUndefined()
    expect(exits(0, [0, 3])).toBeUndefined()
    expect(exits(2, [0, 3])).toBe('command x failed (exit 2)')
    expect(exits(0, [3])).toBe('command x failed (exit 0)')
    expect(exits(119)).toBe('command x failed (exit 119)')
  })

  it('asks its conditions again, and stays due if onlyIf does not permit it', () => {
    const { run, sh, at } = host()
    const it = (more: object) => command({ name: 'x', run: `: >${at('ran')}`, unless: 'false', ...more })
    const ran = () => sh('rm ran 2>/dev/null && echo ran')
    expect([run(it({ unless: 'true' })), ran()]).toEqual([undefined, ''])
    expect([run(it({ creates: '/etc' })), ran()]).toEqual([undefined, 'ran\n'])
    expect([run(it({ creates: '/etc', unless: 'true' })), ran()]).toEqual([undefined, ''])
    expect([run(it({ unless: 'true' }), ['file:/etc/x']), ran()]).toEqual([undefined, 'ran\n'])
    expect([run(it({ onlyIf: 'exit 1' })), ran()]).toEqual([undefined, ''])
    expect([run(it({ onlyIf: '[ "$PWD" = /etc ]', directory: '/etc' })), ran()]).toEqual([undefined, 'ran\n'])
    expect(run(it({ onlyIf: 'surely-no-program' }))).toMatchObject({
      what: 'condition of command x failed',
      why: expect.stringContaining('surely-no-program'),
      fix: 'correct the condition: exit status 0 is yes, 1 is no',
    })
    const triggers = [{ key: 'file:/etc/x', files: [] }]
    const due = it({ onlyIf: 'exit 1' })
    expect(run({ ...due, spec: { ...(due.spec as CommandSpec), triggers } }, ['file:/etc/x'])).toBeUndefined()
    expect(sh('ls state/commands 2>/dev/null; ls T')).toBe('i\n')
    // What the script says about itself is not believed.
    expect(run(it({ run: 'echo skipped >&3; exit 1' }))?.what).toMatch(/^command x failed \(exit [12]\)$/)
  })

  it.runIf(isRoot)('runs as another account, with its groups and environment, without the lock', () => {
    const { run, notices, at, sh, plan } = host()
    const run_ = 'id -un; id -G; echo "$HOME $USER $T/$A"; (: >&9) 2>/dev/null || echo closed; : >mine; stat -c %U mine'
    const options = { ...NEVER, user: 'nobody', directory: at('his'), environment: { A: 'a b' } }
    sh('mkdir his; chown nobody his; exec 9>/dev/null')
    expect(run(command({ ...options, run: run_ }))).toBeUndefined()
    expect(notices[0]).toMatch(/^command x printed:\nnobody\n\d+\n\/nonexistent nobody \/a b\nclosed\nnobody$/)
    // His conditions too, in plan and run.
    const asHim = (more: object) => command({ name: 'y', run: 'id -un', user: 'nobody', unless: 'false', ...more })
    expect(plan(asHim({ unless: '[ "$(id -un)" = nobody ]' }))).toEqual([])
    expect(plan(asHim({ onlyIf: '[ "$HOME" = /nonexistent ]' }))).toHaveLength(1)
    const [failed] = plan(asHim({ unless: 'surely-no-program' }))
    expect(command.kind.forbids?.(asHim({}).spec, failed?.state as object, context)?.why).toContain('exit 127: ')
    expect([run(asHim({ unless: '[ "$(id -un)" = nobody ]' })), notices.length]).toEqual([undefined, 1])
    expect(run(command({ ...options, directory: '/root', run: ':' }))?.what).toBe('command x failed (exit 119)')
  })

  it('needs its account and its directory', () => {
    const { spec } = command({ ...NEVER, run: 'a', user: 'app', directory: '/srv/app' })
    expect(command.kind.accounts?.(spec)).toEqual({ users: ['app'] })
    expect(command.kind.directories?.(spec)).toEqual(['/srv/app'])
    expect(command.kind.accounts?.(command({ ...NEVER, run: 'a' }).spec)).toEqual({})
    const faults = { run: 'a', umask: '9', user: 'a b', directory: 'srv', exitCodes: [126], environment: { 'A-B': 'x' }, onlyIf: '' }
    expect(faultsOf(command, { ...NEVER, ...faults })).toEqual(['onlyIf', 'user', 'directory', 'umask', 'environment.A-B', 'exitCodes.0'])
    expect(faultsOf(command, { ...NEVER, run: 'a', environment: { A: 'a\0b' }, exitCodes: [] })).toEqual(['environment.A', 'exitCodes'])
  })
})

describe('a script', () => {
  const perl = '#!/usr/bin/perl -w\nprint "$^W $0 @ARGV|", <STDIN>;'

  it('runs in its interpreter with its arguments, and is not left there', () => {
    const { run, notices, sh } = host()
    expect(run(script({ ...NEVER, content: perl, args: ["it's", '$HOME'], input: 'in' }))).toBeUndefined()
    expect(notices[0]).toMatch(/^script x printed:\n1 \S+\/T\.\w+\/script it's \$HOME\|in$/)
    expect(run(script({ ...NEVER, content: '#!/bin/sh\nfalse\necho "$0 ends" | sed "s,.*/,,"; exit 6' }))).toMatchObject({
      what: 'script x failed (exit 6)',
      why: 'script ends',
    })
    expect(sh('ls; ls T')).toBe('T\nbin\ni\n')
  })

  it.runIf(isRoot)('can be read by its account only', () => {
    const { run, notices } = host()
    const content = '#!/bin/sh\nstat -c "%U %a" "$0" "$(dirname "$0")"; id -un'
    expect(run(script({ ...NEVER, user: 'nobody', content }))).toBeUndefined()
    expect(notices).toEqual(['script x printed:\nnobody 400\nroot 711\nnobody'])
  })

  it('is a file of the project or a text with secrets', () => {
    const { run, notices, at } = host()
    writeFileSync(at('s.sh'), '#!/bin/sh\necho é\n')
    const local = { type: 'local', path: at('s.sh'), sha256: '', size: 1, open: () => Buffer.from('#!/bin/sh\necho é\n') } as const
    expect(run(script({ ...NEVER, content: local }))).toBeUndefined()
    const secret = { type: 'text', parts: ['#!/bin/sh\necho ', new Secret('correct'), '\n'] } as const
    expect(run(script({ ...NEVER, content: secret }))).toBeUndefined()
    expect(notices).toEqual(['script x printed:\né', 'script x printed:\n•••'])
    const step = script.kind.apply([{ id: 'x', spec: script({ ...NEVER, content: secret }).spec, state: {}, change: CHANGE }]).next().value
    expect(step?.do === 'shell' && step.input).toBeInstanceOf(Secret)
  })

  it.each([
    ['#!/bin/sh', true],
    ['#! /usr/bin/env -S node --test  \nx', true],
    ['#!/bin/sh\r\nx', true],
    ['echo', false],
    ['', false],
    ['#!sh\n', false],
    ['#!/bin/sh\0\n', false],
    ['\n#!/bin/sh\n', false],
    [`#!/bin/sh\n${'#'.repeat(2 ** 20)}`, false],
  ])('must begin with its interpreter: %j', (content, isValid) => {
    expect(faultsOf(script, { ...NEVER, content })).toEqual(isValid ? [] : ['content'])
  })

  it('needs a condition, and known text', () => {
    expect(faultsOf(script, { name: 'x', content: '#!/bin/sh' })).toEqual(['unless'])
    const later = { type: 'text', parts: ['#!/bin/sh\n', { later: 'a key', get: () => undefined }] }
    expect(faultsOf(script, { ...NEVER, content: later })).toEqual(['content'])
    expect(script({ ...NEVER, content: '#!/usr/bin/env -S a  b \n', args: ['c d'] }).id).toBe('x')
  })
})

const CHANGE = { action: 'run', certainty: 'opaque', reason: '', differences: [] } as const

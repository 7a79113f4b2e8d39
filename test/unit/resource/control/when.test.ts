import { describe, expect, it, onTestFinished } from 'vitest'
import { type CommandSpec, command } from '../../../../src/resource/control/command.ts'
import type { RunState } from '../../../../src/resource/control/plan.ts'
import { oweSteps, recordPath } from '../../../../src/resource/control/record.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { isResource, type Resource, type Trigger, type Work } from '../../../../src/resource/kind/kind.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const { kind } = command
const run = 'echo ran >>log; [ ! -e broken ]'

/** A host with a command that runs when these resources change, in its directory. */
const hostWith = (more: Partial<CommandSpec> = {}) => {
  const host = here()
  onTestFinished(host.remove)
  const made = (triggers: readonly Trigger[], over: Partial<CommandSpec> = {}): Resource<CommandSpec> => {
    const { spec } = command({ name: 'reload', run: `cd ${host.root}; ${run}`, when: ['file:/etc/x'] })
    return { kind, id: 'reload', spec: { ...spec, triggers, ...more, ...over } }
  }
  const stateOf = (resource: Resource<CommandSpec>): RunState => {
    // A run of a failing plan: every state is returned.
    const [work] = host.plan({ ...resource, kind: { ...kind, plan: () => CHANGE } })
    return work?.state as RunState
  }
  const due = (triggers: readonly Trigger[], changing: readonly string[] = [], over: Partial<CommandSpec> = {}) => {
    const resource = made(triggers, over)
    return kind.plan(resource.spec, stateOf(resource), { ...context, changes: (key) => changing.includes(key) })
  }
  const apply = (triggers: readonly Trigger[], over: Partial<CommandSpec> = {}) => {
    const resource = made(triggers, over)
    const change = due(triggers, [], over)
    const work: readonly Work<unknown, unknown>[] =
      change === undefined ? [] : [{ id: 'reload', spec: resource.spec, state: stateOf(resource), change }]
    return host.apply(work, kind)
  }
  const owe = (...keys: readonly string[]) =>
    host.apply([], { ...kind, apply: () => oweSteps('command', [{ id: 'reload', spec: {}, state: {}, keys }]) })
  const times = () => host.sh('cat log 2>/dev/null').split('\n').length - 1
  return { host, due, apply, owe, times }
}
const CHANGE = { action: 'run', certainty: 'opaque', reason: '', differences: [] } as const

const text = (content: string, path = '/etc/x'): Trigger => ({ key: `file:${path}`, files: [{ path, sha256: sha256Hex(content) }] })
const bare: Trigger = { key: 'package:app', files: [] }

describe('a command with when', () => {
  it('runs once for the resources, then when one of them has changed', () => {
    const { due, apply, times } = hostWith()
    expect(due([text('1'), bare])).toEqual({
      ...{ action: 'run', certainty: 'opaque', differences: [], unfinished: true, causes: ['file:/etc/x', 'package:app'] },
      reason: 'has not run yet for file:/etc/x, and 1 more',
    })
    expect(apply([text('1'), bare])).toBeUndefined()
    expect(due([text('1'), bare])).toBeUndefined()
    expect(due([text('2'), bare])).toMatchObject({ reason: 'file:/etc/x changed since it last ran', causes: ['file:/etc/x'] })
    expect(due([text('1')])).toBeUndefined()
    expect(due([text('1'), text('1', '/etc/y')])?.reason).toBe('has not run yet for file:/etc/y')
    expect(apply([text('2'), bare])).toBeUndefined()
    expect(due([text('2'), bare])).toBeUndefined()
    expect(times()).toBe(2)
  })

  it('runs because a resource changes in this run, which leaves nothing unfinished', () => {
    const { due, apply } = hostWith()
    apply([text('1'), bare])
    expect(due([text('1'), bare], ['package:app'])).toEqual({
      ...{ action: 'run', certainty: 'opaque', differences: [], causes: ['package:app'] },
      reason: 'runs because package:app changes',
    })
    expect(due([text('1'), bare], ['file:/etc/other'])).toBeUndefined()
  })

  it('stays due after an interruption, until it has succeeded', () => {
    const { host, due, apply, owe, times } = hostWith()
    apply([text('1'), bare])
    expect(owe('package:app')).toBeUndefined()
    const reason = 'package:app changed, and it has not succeeded since'
    expect(due([text('1'), bare])).toMatchObject({ reason, unfinished: true })
    host.sh(': >broken')
    expect(apply([text('1'), bare])).toMatchObject({ what: 'command reload failed (exit 1)' })
    expect(due([text('1'), bare])?.reason).toBe(reason)
    host.sh('rm broken')
    expect(apply([text('1'), bare])).toBeUndefined()
    expect(due([text('1'), bare])).toBeUndefined()
    expect(times()).toBe(3)
    expect(host.sh('stat -c %a state/commands; ls state/commands')).toMatch(/^700\n[0-9a-f]{32}\n$/)
  })

  it('is due before it has a record, and with a record that a loss of power cut', () => {
    const { host, due, apply, owe } = hostWith()
    expect(owe('package:app', 'file:/etc/x')).toBeUndefined()
    expect(due([bare])?.reason).toBe('has not run yet for package:app')
    apply([bare])
    expect(due([bare])).toBeUndefined()
    const record = recordPath('command:reload').replace('/var/lib/provision', 'state')
    host.sh(`printf '\\nowe' >>${record}`)
    expect(due([bare])?.reason).toBe('has not run yet for package:app')
    apply([bare])
    host.sh(`printf '\\nowed packa' >>${record}`)
    expect(due([bare])?.reason).toBe('has not run yet for package:app')
    // The next line does not become a part of the cut one.
    owe('package:app')
    expect(host.sh(`tail -n 1 ${record}`)).toBe('owed package:app\n')
  })

  it('compares files whose content only the host knows', () => {
    const { host, due, apply } = hostWith()
    const files = [
      { path: host.at("a key's"), sha256: 'disk' },
      { path: host.at('none'), sha256: 'later' },
    ]
    const trigger: Trigger = { key: 'certificate:x', files }
    host.sh(`echo 1 >"a key's"`)
    expect(apply([trigger])).toBeUndefined()
    expect(due([trigger])).toBeUndefined()
    host.sh(`echo 2 >"a key's"`)
    expect(due([trigger])?.reason).toBe('certificate:x changed since it last ran')
    host.sh(`echo 1 >"a key's"; : >none`)
    expect(due([trigger])?.reason).toBe('certificate:x changed since it last ran')
  })

  it('keeps paths and keys with unusual characters apart', () => {
    const { due, apply } = hostWith()
    const odd = [{ ...text('1', '/etc/a\\b'), key: 'file:a\nran file:b' }, text('1', '/etc/a b'), { ...text('1'), key: 'file:50%' }]
    expect(apply(odd)).toBeUndefined()
    expect(due(odd)).toBeUndefined()
    expect(due([text('1', '/etc/b')])?.reason).toBe('has not run yet for file:/etc/b')
    expect(due([{ ...bare, key: 'file:b' }])?.reason).toBe('has not run yet for file:b')
  })

  it('also runs if what it creates is missing, and skips nothing that is due', () => {
    const { host, due, apply, times } = hostWith()
    const creates = host.at('made')
    expect(due([text('1')], [], { creates })?.reason).toBe(`${creates} is missing, and 1 more`)
    host.sh(': >made')
    expect(apply([text('1')], { creates })).toBeUndefined()
    expect(times()).toBe(1)
    expect(due([text('1')], [], { creates })).toBeUndefined()
    host.sh('rm made')
    expect(due([text('1')], [], { creates })).toMatchObject({ reason: `${creates} is missing` })
    expect(due([text('1')], [], { creates })).not.toHaveProperty('causes')
  })

  it('names resources, keys and paths', () => {
    const names = (...when: readonly (string | Resource)[]) => command({ name: 'x', run: 'a', when: [...when] }).spec.when
    const app = pkg({ name: 'app' })
    expect(isResource(app)).toBe(true)
    expect(names(app, 'package:app', 'file:/etc/x', '/etc/dir//', '/etc/dir')).toEqual(['package:app', 'file:/etc/x', '/etc/dir'])
    for (const wrong of [['app'], [''], ['/'], ['etc/x'], ['File:x'], ['file:'], ['file:a\nb'], [7], [{}], 'file:/etc/x', []])
      expect(faultsOf(command, { name: 'x', run: 'a', when: wrong }).join(), String(wrong)).toMatch(/^when/)
  })

  it('has its record deleted once no role declares it', () => {
    expect(kind.orphan !== undefined && 'record' in kind.orphan && kind.orphan.record?.('reload')).toBe(recordPath('command:reload'))
  })
})

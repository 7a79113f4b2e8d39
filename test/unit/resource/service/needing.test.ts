import { describe, expect, it } from 'vitest'
import { ABSENT, type InodeState } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { cron } from '../../../../src/resource/system/cron.ts'
import { limits } from '../../../../src/resource/system/limits.ts'
import { logrotate } from '../../../../src/resource/system/logrotate.ts'
import { sudoers } from '../../../../src/resource/system/sudoers.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'

const job = cron({ name: 'report', jobs: [{ schedule: '@daily', command: 'true' }] })
const rotation = logrotate({ name: 'shop', paths: ['/var/log/shop.log'] })
const rule = sudoers({ name: 'ops', users: ['ann'], commands: ['/bin/true'] })
const limit = limits({ name: 'shop', limits: [{ domain: 'shop', item: 'nofile', value: 1024 }] })

const PROGRAM: InodeState = { type: 'f', mode: '755', owner: 'root', group: 'root', target: '' }
const unit = (active: string, enabled: string, load = 'loaded') =>
  new Map(Object.entries({ LoadState: load, ActiveState: active, SubState: '', Result: 'success', UnitFileState: enabled }))
const NO_UNIT = unit('inactive', '', 'not-found')

interface Host {
  readonly programs?: readonly string[]
  readonly units?: Readonly<Record<string, ReadonlyMap<string, string>>>
  readonly texts?: Answers['texts']
  /** The file is as declared. */
  readonly isWritten?: boolean
}

/** The state of a resource on a host with these programs and units. */
const stateOn = ({ kind, id, spec }: Resource, { programs = [], units = {}, texts = new Map(), isWritten = false }: Host = {}): unknown => {
  const { shared = {}, parse } = kind.observe([spec])
  const [owned] = kind.files?.(spec) ?? []
  const [effect] = kind.effects?.(spec) ?? []
  const mode = effect !== undefined && 'becomes' in effect && effect.becomes !== 'absent' ? effect.becomes.mode : undefined
  const answers: Answers = {
    ...NOTHING,
    inodes: new Map(
      (shared.inodes ?? []).map((path) => [
        path,
        programs.includes(path) ? PROGRAM : isWritten && path === owned?.path ? { ...PROGRAM, mode: mode ?? '644' } : ABSENT,
      ]),
    ),
    digests: new Map(isWritten && owned !== undefined ? [[owned.path, owned.sha256]] : []),
    units: new Map((shared.units ?? []).map((name) => [name, units[name] ?? NO_UNIT])),
    texts,
  }
  return parse(Buffer.alloc(0), answers).get(id)
}

const planOn = (resource: Resource, host: Host, more: Partial<PlanContext> = {}) =>
  resource.kind.plan(resource.spec, stateOn(resource, host), { ...context, ...more })
const refusalOn = (resource: Resource, host: Host, more: Partial<PlanContext> = {}) =>
  resource.kind.forbids?.(resource.spec, stateOn(resource, host), { ...context, ...more })

/** The scripts of the steps. The host answers each with `said`. */
const stepsOn = (resource: Resource, host: Host, said = ''): readonly string[] => {
  const change = planOn(resource, host)
  if (change === undefined) throw new Error('nothing differs')
  const steps = resource.kind.apply([{ id: resource.id, spec: resource.spec, state: stateOn(resource, host), change }])
  const scripts: string[] = []
  const answer = { code: 0, stdout: Buffer.from(said), stderr: '' }
  for (let next = steps.next(); next.done !== true; next = steps.next(answer))
    if (next.value.do === 'shell') scripts.push(String(next.value.script))
  return scripts
}

const CRON = { programs: ['/usr/sbin/cron'], units: { 'cron.service': unit('active', 'enabled') } }

describe('a file that nothing on the host reads', () => {
  it.each<[string, Resource, RegExp]>([
    ['a job without a daemon', job, /^declare `package: \{ name: cron \}` before it, or use the kind `timer`/],
    ['a rule without logrotate', rotation, /^declare `package: \{ name: logrotate \}`/],
    ['a rule without sudo', rule, /^declare `package: \{ name: sudo \}`/],
    ['a limit without pam_limits', limit, /^declare a `line` before it/],
  ])('is refused: %s', (_, resource, fix) => {
    const refusal = refusalOn(resource, {})
    expect(refusal).toBeInstanceOf(HostRefusal)
    expect(refusal?.what).toBe(`${resource.kind.name} ${resource.id} would have no effect`)
    expect(refusal?.why).toMatch(/^the host has no .*, and no earlier change of this run installs one$/)
    expect(refusal?.fix).toMatch(fix)
  })

  it('is refused also where the file is as declared already', () => {
    expect(refusalOn(job, { isWritten: true })?.why).toContain('the host has no cron daemon')
    expect(planOn(job, { isWritten: true })).toMatchObject({ action: 'update', reason: 'no cron daemon on the host' })
  })

  it.each<Partial<PlanContext>>([{ packagesPending: true }, { anyPackagesPending: true }, { opaquePending: true }])(
    'depends on what an earlier change brings: %j',
    (more) => {
      expect(refusalOn(job, {}, more)).toBeUndefined()
      expect(planOn(job, {}, more)).toMatchObject({ action: 'create', certainty: 'dependent', reason: 'missing' })
    },
  )

  it('can be deleted without a reader', () => {
    const absent = cron({ name: 'report', state: 'absent' })
    expect(refusalOn(absent, {})).toBeUndefined()
    expect(planOn(absent, {})).toBeUndefined()
  })
})

describe('the daemon of a job', () => {
  it.each<[string, string, Readonly<Record<string, ReadonlyMap<string, string>>>]>([
    ['cron', '/usr/sbin/cron', { 'cron.service': unit('active', 'enabled') }],
    ['cronie', '/usr/sbin/crond', { 'cronie.service': unit('active', 'enabled') }],
    ['systemd-cron', '/usr/lib/systemd/system-generators/systemd-crontab-generator', { 'cron.target': unit('active', 'enabled') }],
    [
      'bcron',
      '/usr/sbin/bcron-sched',
      { 'bcron-sched.service': unit('active', 'enabled'), 'bcron-update.service': unit('active', 'enabled') },
    ],
  ])('can be that of %s', (_, program, units) => {
    expect(refusalOn(job, { programs: [program], units })).toBeUndefined()
    expect(planOn(job, { programs: [program], units, isWritten: true })).toBeUndefined()
    expect(planOn(job, { programs: [program], units })).toMatchObject({ action: 'create', certainty: 'exact' })
  })

  it('is none if only its start script is left, as after apt-get remove', () => {
    expect(refusalOn(job, { units: CRON.units })?.why).toContain('the host has no cron daemon')
  })

  it.each<[string, ReadonlyMap<string, string>, string]>([
    ['stopped', unit('inactive', 'enabled'), 'not running'],
    ['failed', unit('failed', 'enabled'), 'not running'],
    ['not started at boot', unit('active', 'disabled'), 'not enabled'],
  ])('is started if it is %s', (_, state, from) => {
    const host = { ...CRON, units: { 'cron.service': state }, isWritten: true }
    expect(refusalOn(job, host)).toBeUndefined()
    expect(planOn(job, host)).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: `cron.service ${from}` },
      differences: [{ key: 'cron.service', from, to: 'running' }],
    })
    const scripts = stepsOn(job, host, 'provision-done cron.service\n')
    expect(scripts).toHaveLength(1)
    expect(scripts[0]).toContain('systemctl enable')
    expect(scripts[0]).not.toContain('/etc/cron.d/report')
  })

  it('counts as started if an earlier change of the run starts it', () => {
    const host = { ...CRON, units: { 'cron.service': unit('inactive', 'disabled') }, isWritten: true }
    expect(planOn(job, host, { changes: (key) => key === 'service:cron.service' })).toBeUndefined()
  })

  it('is not unmasked, because that was done on purpose', () => {
    const host = { ...CRON, units: { 'cron.service': unit('inactive', 'masked', 'masked') } }
    expect(refusalOn(job, host)).toMatchObject({
      why: 'cron.service is masked',
      fix: 'declare `service: { unit: cron.service }` before it, which unmasks the unit',
    })
    expect(refusalOn(job, host, { changes: (key) => key === 'service:cron.service' })).toBeUndefined()
  })

  it('is the one that runs if the host has two', () => {
    const programs = ['/usr/sbin/cron', '/usr/sbin/crond']
    const units = { 'cron.service': unit('inactive', 'disabled'), 'cronie.service': unit('active', 'enabled') }
    expect(planOn(job, { programs, units, isWritten: true })).toBeUndefined()
  })

  it('is found after an installation of the run, and started', () => {
    const scripts = stepsOn(job, {}, '/usr/sbin/crond\n')
    expect(scripts.at(-1)).toContain('systemctl enable -q -- cronie.service')
    expect(scripts.at(-1)).not.toContain('cron.service ')
    expect(stepsOn(job, {}, '').some((script) => script.includes('systemctl enable'))).toBe(false)
  })

  it('is left alone if it runs', () => {
    expect(stepsOn(job, CRON).some((script) => script.includes('systemctl'))).toBe(false)
  })
})

describe('logs', () => {
  it('are rotated by a timer, which is started', () => {
    const programs = ['/usr/sbin/logrotate']
    expect(planOn(rotation, { programs, units: { 'logrotate.timer': unit('active', 'enabled') }, isWritten: true })).toBeUndefined()
    expect(planOn(rotation, { programs, units: { 'logrotate.timer': unit('inactive', 'enabled') }, isWritten: true })).toMatchObject({
      reason: 'logrotate.timer not running',
    })
  })
})

describe('limits', () => {
  it.each<[string, boolean]>([
    ['session    required   pam_limits.so', true],
    ['-session optional pam_limits.so set_all', true],
    ['# session required pam_limits.so', false],
    ['account required pam_limits.so', false],
  ])('of a host with the line %j in a file of PAM have an effect: %s', (line, has) => {
    const refusal = refusalOn(limit, { texts: new Map([['/etc/pam.d/sshd', ['@include common-auth', line]]]) })
    expect(refusal === undefined).toBe(has)
  })

  it('do not count lines of other files', () => {
    expect(refusalOn(limit, { texts: new Map([['/etc/security/x', ['session required pam_limits.so']]]) })).toBeDefined()
  })
})

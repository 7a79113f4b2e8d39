import { describe, expect, it } from 'vitest'
import { newerKernel } from '../../../../src/resource/control/kernel.ts'
import { type RebootSpec, type RebootState, reboot } from '../../../../src/resource/control/reboot.ts'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const { kind } = reboot
const specOf = (more: object = {}): RebootSpec => ({
  ...reboot({ when: ['file:/etc/x'] }).spec,
  triggers: [{ key: 'file:/etc/x', files: [] }],
  ...more,
})
const RECORD = kind.observe([specOf()]).shared?.texts?.at(-1) ?? ''
const observed = (stdout: string, { asked = false, texts = {} }: { asked?: boolean; texts?: Record<string, string[]> } = {}) => {
  const file = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
  const answers = {
    ...NOTHING,
    inodes: new Map([['/run/reboot-required', asked ? file : ABSENT] as const]),
    texts: new Map(Object.entries(texts)),
  }
  return kind
    .observe([specOf()])
    .parse(Buffer.from(stdout), answers as typeof NOTHING)
    .get('host') as RebootState
}
const plan = (state: RebootState, more: object = {}, spec: object = {}) => kind.plan(specOf(spec), state, { ...context, ...more })
const changes = { changes: (key: string) => key === 'file:/etc/x' }

describe('a reboot', () => {
  it('is planned because a resource changes, or changed after the host booted', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({}, changes)).toEqual({
      ...{ action: 'run', certainty: 'dependent', differences: [], causes: ['file:/etc/x'] },
      reason: 'because file:/etc/x changes',
    })
    expect(plan({ owed: () => ['file:/etc/other'] })).toBeUndefined()
    expect(plan({ owed: () => ['file:/etc/x'] })).toMatchObject({
      ...{ certainty: 'exact', unfinished: true },
      reason: 'because file:/etc/x changed after the host booted',
    })
    expect(plan({ required: 'kernel 2 is installed, 1 runs' }, changes)?.reason).toBe('because file:/etc/x changes, and 1 more')
  })

  it('is planned if the system asks for it, or may ask after the changes before', () => {
    expect(plan({ required: 'a asked for it' })).toMatchObject({ certainty: 'exact', reason: 'a asked for it' })
    expect(plan({ required: 'a asked for it' }, {}, { ifRequired: false })).toBeUndefined()
    for (const more of [{ mayBringMore: true }, { opaquePending: true }, { packagesPending: true }, { anyPackagesPending: true }]) {
      expect(plan({}, more)).toMatchObject({ certainty: 'dependent', reason: 'if the system asks for it after the changes before' })
      expect(plan({}, more, { ifRequired: false })).toBeUndefined()
    }
  })

  it('reads why the system asks, and what changed after the host booted', () => {
    const connected = ''
    expect(observed(connected)).toEqual({ owed: expect.any(Function) })
    expect(observed(connected, { asked: true }).required).toBe('the system asks for it')
    const texts = { '/run/reboot-required.pkgs': ['linux-base', 'libc6', 'libc6', '\u001b[2J', 'dbus', 'systemd'] }
    expect(observed(connected, { asked: true, texts }).required).toBe('linux-base, libc6, dbus and 1 more asked for it')
    expect(observed(connected, { texts }).required).toBeUndefined()
    const kernel = { '/proc/sys/kernel/osrelease': ['6.1.0-27-amd64'] }
    const stdout = 'kernel 6.1.0-27-amd64\nkernel 6.1.0-28-amd64\n'
    expect(observed(stdout, { texts: kernel }).required).toBe('kernel 6.1.0-28-amd64 is installed, 6.1.0-27-amd64 runs')
    expect(RECORD).toMatch(/^\/run\/provision\/reboot-[0-9a-f]{16}$/)
    expect(observed('', { texts: { [RECORD]: ['owed file:/etc/x', 'ow'] } }).owed?.()).toEqual(['file:/etc/x'])
  })

  it('is refused on the machine of the controller', () => {
    expect(observed('controller\n').isController).toBe(true)
    expect(kind.forbids?.(specOf(), observed('controller\n'), context)).toBeInstanceOf(HostRefusal)
    expect(kind.forbids?.(specOf(), observed(''), context)).toBeUndefined()
    const script = String(kind.observe([specOf()]).script)
    const host = here()
    try {
      expect(host.run(script).stdout.toString()).toContain('controller\n')
      expect(host.run(`connection='192.0.2.1 5 192.0.2.2 22'\n${script}`).stdout.toString()).not.toContain('controller')
    } finally {
      host.remove()
    }
  })

  it('records on the host what is due until it boots', () => {
    const host = here('/run/provision')
    try {
      const owe = (...keys: readonly string[]) =>
        host.apply([], { ...kind, apply: () => kind.triggers?.owe?.([{ id: 'host', spec: specOf(), state: {}, keys }]) as never })
      expect([owe('file:/etc/x'), owe('file:/etc/y', 'file:/etc/z')]).toEqual([undefined, undefined])
      expect(host.sh(`cat ${RECORD}`)).toBe('owed file:/etc/x\nowed file:/etc/y\nowed file:/etc/z\n')
    } finally {
      host.remove()
    }
  })

  it('happens, or is left out if the system does not ask for it in the end', () => {
    const stepsFor = (causes: readonly string[], stdout: string) => {
      const change = { action: 'run', certainty: 'exact', reason: 'because', differences: [], causes } as const
      const steps = kind.apply([{ id: 'host', spec: specOf({ withinMinutes: 2 }), state: {}, change }])
      const done: unknown[] = []
      for (let next = steps.next(); next.done !== true; next = steps.next({ code: 0, stdout: Buffer.from(stdout), stderr: '' }))
        done.push(next.value.do === 'reboot' ? next.value : next.value.do)
      return done
    }
    const step = { do: 'reboot', withinMs: 120_000, reason: 'because' }
    expect(stepsFor(['file:/etc/x'], '')).toEqual([step])
    expect(stepsFor([], '6.1.0-27-amd64\n6.1.0-27-amd64\n')).toEqual(['shell'])
    expect(stepsFor([], 'asked\n6.1.0-27-amd64\n')).toEqual(['shell', step])
    expect(stepsFor([], '6.1.0-27-amd64\n6.1.0-27-amd64\n6.1.0-28-amd64\n')).toEqual(['shell', step])
  })

  it('is one of a queue, by name of the host', () => {
    expect(
      kind.sequence?.(
        specOf(),
        new Map([
          ['b', {}],
          ['a', {}],
        ]),
      ),
    ).toEqual(['a', 'b'])
    expect(kind.queue).toBe('reboot')
  })

  it('is refused with a wrong option', () => {
    expect(faultsOf(reboot, { name: 'a b', when: [], ifRequired: 'no', withinMinutes: 0 })).toEqual([
      'name',
      'when',
      'ifRequired',
      'withinMinutes',
    ])
    expect(reboot({}).id).toBe('host')
  })
})

describe('a newer kernel', () => {
  it.each([
    ['6.1.0-9-amd64', ['6.1.0-9-amd64', '6.1.0-10-amd64', '6.1.0-27-cloud-amd64'], '6.1.0-10-amd64'],
    ['6.1.0-10-amd64', ['6.1.0-9-amd64', '6.1.0-10-amd64'], undefined],
    ['6.8.0-49-generic', ['6.8.0-49-generic', '6.8.0-50-lowlatency', '6.11.0-9-generic'], '6.11.0-9-generic'],
    ['6.12.9+deb13-amd64', ['6.12.9+deb13-amd64', '6.12.48+deb13-amd64', '6.12.10+deb13-amd64'], '6.12.48+deb13-amd64'],
    ['6.1.0-0.deb11.5-amd64', ['6.1.0-0.deb11.5-amd64', '6.1.0-0.deb11.13-amd64'], '6.1.0-0.deb11.13-amd64'],
    ['6.13-rc7-amd64', ['6.13-rc7-amd64', '6.13-amd64'], '6.13-amd64'],
    ['6.13-amd64', ['6.13-rc7-amd64', '6.13-amd64'], undefined],
    ['6.6.9-custom', ['6.1.0-9-amd64', '6.8.0-9-amd64'], undefined],
    ['', [], undefined],
  ])('than %s of %j is %s', (running, installed, newer) => {
    expect(newerKernel(running, installed)).toBe(newer)
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { text } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { unitQuery } from '../../../../src/resource/kind/queries.ts'
import { dropin, unit } from '../../../../src/resource/service/unit.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { NOTHING, readInodesSaid } from '../answers.ts'
import { here } from '../run-here.ts'

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const broken = unit({ name: 'broken.service', content: '[Service]\nExecStart=/bin/false\n' })
const limits = dropin({ unit: 'broken.service', name: 'limits', settings: { Service: { LimitNOFILE: '512' } } })
const recorded = readFileSync(new URL('../../../fixtures/debian-12/unit.txt', import.meta.url), 'utf8')
const specs = [broken.spec, limits.spec]
/** A recording holds inodes, digests behind `sums`, and units behind `units`. */
const look = (answer: string) => {
  const [inodes = '', sums = '', units = ''] = answer.split(/sums\0|done\0units\0/)
  const digests = new Map(
    sums.split('\0').flatMap((line) => (/^[0-9a-f]{64} /.test(line) ? [[line.slice(66), line.slice(0, 64)] as const] : [])),
  )
  return unit.kind.observe(specs).parse(Buffer.alloc(0), {
    ...NOTHING,
    ...readInodesSaid(Buffer.from(inodes)),
    digests,
    units: unitQuery(['broken.service', 'broken.service']).read(Buffer.from(units)),
  })
}

describe('a unit file', () => {
  const state = look(recorded)

  it('is read from a recorded answer', () => {
    expect(state.get('broken.service')).toMatchObject({ stale: true, file: { type: 'f', mode: '600' } })
    expect(state.get('broken.service.d/limits.conf')).toEqual({ stale: true, file: 'absent' })
  })

  it('is planned like a file, and reloaded if systemd has an older version', () => {
    const found = state.get('broken.service')
    if (found === undefined || found.file === 'absent') throw new Error('not observed')
    expect(unit.kind.plan(broken.spec, found, context)?.reason).toBe('mode differs')
    const right = { ...found, file: { ...found.file, mode: '644' } }
    expect(unit.kind.plan(broken.spec, found, context)?.unfinished).toBeUndefined()
    expect(unit.kind.plan(broken.spec, right, context)).toMatchObject({ reason: 'not read by systemd yet', unfinished: true })
    expect(unit.kind.plan(broken.spec, { ...right, stale: false }, context)).toBe(undefined)
  })

  it('is written and reloaded in one request, after its directory', () => {
    const change = { action: 'create', certainty: 'exact', reason: 'missing', differences: [] } as const
    const steps = unit.kind.apply([{ id: limits.id, spec: limits.spec, state: { stale: false, file: 'absent' }, change }])
    const step = steps.next().value
    if (step?.do !== 'shell') throw new Error('a script was expected')
    expect(String(step.script)).toMatch(/^install -d -m 755 \/etc\/systemd\/system\/broken\.service\.d /)
    expect(String(step.script)).toMatch(/systemctl daemon-reload$/)
    expect(steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' }).done).toBe(true)
  })

  it('that was changed by hand is refused, by the name of the unit, and the request fails', () => {
    const host = here('/etc/systemd/system')
    host.program('systemctl', ':')
    try {
      host.sh('mkdir -p /etc/systemd/system; echo theirs >/etc/systemd/system/broken.service')
      const other = dropin({ unit: 'other.service', name: 'a', settings: {} })
      const change = { action: 'create', certainty: 'exact', reason: 'missing', differences: [] } as const
      const work = [other, broken].map(({ id, spec }) => ({ id, spec, state: { stale: false, file: 'absent' }, change }))
      expect(host.apply(work, unit.kind)).toMatchObject({
        done: [],
        culprit: 'broken.service',
        why: expect.stringContaining('not as it was'),
      })
      expect(host.sh('cat /etc/systemd/system/broken.service; ls /etc/systemd/system')).toBe('theirs\nbroken.service\n')
    } finally {
      host.remove()
    }
  })

  it('throws if systemd answers about fewer units', () => {
    expect(() => look(recorded.slice(0, -22))).toThrow('described 1 of 2')
  })
})

describe('a drop-in', () => {
  it('is written from its settings, a list as one line each', () => {
    const options = {
      unit: 'nginx.service',
      name: 'own',
      settings: { Unit: { After: 'a.service' }, Service: { ExecStart: ['', '/bin/x'] } },
    }
    const resource = dropin(options)
    expect(resource.id).toBe('nginx.service.d/own.conf')
    expect(resource.spec.file.content).toEqual({
      type: 'text',
      parts: ['[Unit]\nAfter=a.service\n\n[Service]\nExecStart=\nExecStart=/bin/x\n'],
    })
    expect(unit.kind.files?.(resource.spec)[0]?.path).toBe('/etc/systemd/system/nginx.service.d/own.conf')
  })

  it('refuses content with a secret, because every account can read units', () => {
    expect(() => dropin({ unit: 'a.service', name: 'b', content: text`x=${new Secret('s')}` })).toThrow('must not have a secret')
    expect(() => unit({ name: 'a.service', content: new Secret('s') })).toThrow('must not have a secret')
  })

  it('refuses content and settings that are undefined', () => {
    const missing = undefined as unknown as string
    expect(() => unit({ name: 'a.service', content: missing })).toThrow('must be text: it is undefined')
    expect(() => dropin({ unit: 'a.service', name: 'b', content: missing })).toThrow('has neither settings nor content')
    expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { User: missing } } })).toThrow()
    expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { Slice: `x-${missing}.slice` } } })).not.toThrow()
    expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { User: `${missing}` } } })).toThrow(
      'dropin.settings.Service.User',
    )
    expect(dropin({ unit: 'a.service', name: 'b', state: 'absent' }).spec.file.state).toBe('absent')
  })

  it('refuses values that end the line, and names that leave the directory', () => {
    expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { User: 'x\nExecStart=/bin/evil' } } })).toThrow(
      'must be one line',
    )
    for (const name of ['nginx', '../x.service', 'a.service.d/../x.conf', 'a.service.d/x'])
      expect(() => unit({ name, content: '' })).toThrow()
  })
})

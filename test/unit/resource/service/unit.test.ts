import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { text } from '../../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { unitQuery } from '../../../../src/resource/kind/queries.ts'
import { dropin, slice, unit } from '../../../../src/resource/service/unit.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { NOTHING, readInodesSaid } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { type Here, here } from '../run-here.ts'

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

  it('is refused at planning where its path is a directory', () => {
    const inode = { type: 'd', mode: '755', owner: 'root', group: 'root', target: '' }
    const refused = (type: string) =>
      unit.kind.forbids?.(broken.spec, { stale: false, file: { ...inode, type } }, { ...context, isRootsAlone: () => true })?.what
    expect(['d', 'f', 'l'].map(refused)).toEqual(['/etc/systemd/system/broken.service is a directory', undefined, undefined])
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
      // A directory with drop-ins of others stays, without a word.
      host.sh('mkdir /etc/systemd/system/other.service.d; echo theirs >/etc/systemd/system/other.service.d/b.conf')
      expect(host.apply(work, unit.kind)?.why).toMatch(/^\/etc\/systemd\/system\/broken\.service is not as it was observed[^\n]*$/)
      expect(host.sh('ls /etc/systemd/system/other.service.d')).toBe('b.conf\n')
    } finally {
      host.remove()
    }
  })

  it('is asked for beside its file, and a template only for its file', () => {
    const template = unit({ name: 'worker@.service', content: 'x' })
    const query = unit.kind.observe([broken.spec, limits.spec, template.spec])
    const paths = [broken, limits, template].map(({ id }) => `/etc/systemd/system/${id}`)
    expect(query.shared).toMatchObject({ inodes: paths, digests: paths, units: ['broken.service', 'broken.service', 'worker@.service'] })
    const answers = {
      ...NOTHING,
      inodes: new Map(paths.map((path) => [path, 'absent' as const])),
      units: new Map([['broken.service', new Map([['NeedDaemonReload', 'no']])]]),
    }
    expect([...query.parse(Buffer.alloc(0), answers)]).toEqual(
      ['broken.service', 'broken.service.d/limits.conf', 'worker@.service'].map((name) => [name, { stale: false, file: 'absent' }]),
    )
    expect(query.parse(Buffer.alloc(0), { ...answers, units: new Map() }).size).toBe(1)
  })

  it('is shown as a text under its own name, deleted with its file, and stopped before', () => {
    const host = here('/etc/systemd/system')
    try {
      host.sh('mkdir -p /etc/systemd/system; echo old >/etc/systemd/system/broken.service; chmod 644 /etc/systemd/system/broken.service')
      const found = { file: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '', sha256: 'x' }, stale: false }
      const change = unit.kind.plan(broken.spec, found, context)
      if (change === undefined) throw new Error('no change')
      const work = { id: broken.id, spec: broken.spec, state: found, change }
      const before = unit.kind.before?.([work])
      const texts = before?.read(host.run(String(before.script)).stdout)
      expect([...(texts?.keys() ?? [])]).toEqual(['broken.service'])
      expect(unit.kind.diff?.(work, texts?.get('broken.service'))).toEqual({ before: 'old\n', after: '[Service]\nExecStart=/bin/false\n' })
      expect(unit.kind.orphan).toMatchObject({ delete: 'file', stops: true })
      expect(unit.kind.content?.(broken.spec)).toEqual(broken.spec.file.content)
    } finally {
      host.remove()
    }
  })

  const onHost = (check: (host: Here) => void): void => {
    const host = here('/etc/systemd/system')
    host.program('systemctl', `echo "$*" >>${host.at('calls')}`)
    host.sh('mkdir -p /etc/systemd/system')
    try {
      check(host)
    } finally {
      host.remove()
    }
  }
  const DROPIN = dropin({ unit: 'broken.service', name: 'limits', settings: { Service: { LimitNOFILE: '512' } } })
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const

  it('has a directory for as long as there is a drop-in', () => {
    onHost((host) => {
      const { id, spec } = DROPIN
      const state = { stale: false, file: 'absent' as const }
      expect(host.apply([{ id, spec, state, change }], unit.kind, 'umask 077')).toBeUndefined()
      expect(host.sh('cat calls; cd /etc/systemd/system; stat -c "%n %a" *.d *.d/*')).toBe(
        'daemon-reload\nbroken.service.d 755\nbroken.service.d/limits.conf 644\n',
      )
      const gone = dropin({ unit: 'broken.service', name: 'limits', state: 'absent' })
      const there = { file: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }, stale: false }
      expect(host.apply([{ id, spec: gone.spec, state: there, change }], unit.kind)).toBeUndefined()
      expect(host.sh('ls /etc/systemd/system')).toBe('')
    })
  })

  it('is only read if systemd has not done so yet', () => {
    onHost((host) => {
      const work = {
        id: DROPIN.id,
        spec: DROPIN.spec,
        state: { stale: true, file: 'absent' as const },
        change: { ...change, unfinished: true as const },
      }
      expect(host.apply([work], unit.kind)).toBeUndefined()
      expect(host.sh('cat calls; ls /etc/systemd/system')).toBe('daemon-reload\n')
    })
  })

  it('is not read by systemd if it could not be written, and a directory that was made for it is deleted', () => {
    onHost((host) => {
      host.sh('mkdir -p /etc/systemd/system/there.service.d; : >/etc/systemd/system/there.service.d/own.conf')
      const state = { stale: false, file: 'absent' as const }
      const work = ['new.service', 'there.service'].map((name) => {
        const { id, spec } = dropin({ unit: name, name: 'a', content: 'x' })
        return { id, spec: { ...spec, file: { ...spec.file, owner: 'nobody-knows' } }, state, change }
      })
      expect(host.apply(work, unit.kind)).toMatchObject({
        what: expect.stringContaining('(exit 1)'),
        done: [],
        culprit: 'new.service.d/a.conf',
      })
      expect(host.sh('cat calls 2>/dev/null; ls /etc/systemd/system')).toBe('there.service.d\n')
    })
  })

  it('throws if systemd answers about fewer units', () => {
    expect(() => look(recorded.slice(0, -22))).toThrow('described 1 of 2')
  })
})

describe('a slice', () => {
  it('has its limits, and a name of its own', () => {
    const { id, spec } = slice({ name: 'provision-web', description: 'web servers', cpuWeight: 200, ioWeight: 50, memoryMax: '80%' })
    expect([id, spec.file.path]).toEqual(['provision-web.slice', '/etc/systemd/system/provision-web.slice'])
    expect(spec.file.content).toEqual({
      type: 'text',
      parts: ['# Written by provision.\n[Unit]\nDescription=web servers\n\n[Slice]\nCPUWeight=200\nIOWeight=50\nMemoryMax=80%\n'],
    })
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
    for (const content of [new Secret('s'), undefined]) expect(faultsOf(unit, { name: 'a.service', content })).toEqual(['content'])
    expect(['present', 'absent', 'gone'].map((state) => faultsOf(unit, { name: 'a.service', state }))).toEqual([[], [], ['state']])
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
    for (const value of ['a\\', 'a\tb'])
      expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { User: [value] } } })).toThrow('must be one line')
    for (const section of ['service', 'X-Y', ' Service', 'Service]'])
      expect(() => dropin({ unit: 'a.service', name: 'b', settings: { [section]: {} } })).toThrow('must be a section')
    for (const key of ['user', 'User Name', '1User', 'User='])
      expect(() => dropin({ unit: 'a.service', name: 'b', settings: { Service: { [key]: 'x' } } })).toThrow('must be a setting')
    for (const name of [
      'nginx',
      '../x.service',
      'a.service.d/../x.conf',
      'a.service.d/x',
      'a.service.d/b.d/x.conf',
      'a.d/x.conf',
      'a.service.d/.x.conf',
      'a.service.d/x.confx',
      'a.service.d/ x.conf',
    ])
      expect(() => unit({ name, content: '' })).toThrow()
  })
})

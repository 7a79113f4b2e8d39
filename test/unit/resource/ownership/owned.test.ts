import { describe, expect, it } from 'vitest'
import '../../../../src/index.ts'
import { ABSENT, type InodeState } from '../../../../src/resource/kind/inode.ts'
import { MORE } from '../../../../src/resource/kind/walk-read.ts'
import { orphan, orphanOutcome } from '../../../../src/resource/ownership/orphan.ts'
import { type OwnedLine, owned } from '../../../../src/resource/ownership/owned.ts'
import { readRecord, recordHead, recordLine, recordPath } from '../../../../src/resource/ownership/record.ts'
import { stepsOf } from '../../../../src/testing/steps.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'

const inode = (type: string, target = ''): InodeState => ({ type, mode: '600', owner: 'root', group: 'root', target })
const SUM = 'a'.repeat(64)
const lines: readonly OwnedLine[] = [
  { key: 'package:nginx', parts: ['package:nginx'] },
  { key: 'file:/a', parts: [`file:/a /a ${SUM}`] },
]
const later = (value?: string): OwnedLine => ({ key: 'file:/b', parts: ['file:/b /b ', { later: 'digest', get: () => value }] })
const spec = { role: 'web', playbooks: ['site.yaml'], lines }
const state = (head: string, ...rest: readonly string[]) => ({ inode: inode('f'), record: readRecord([head.trim(), ...rest]) })
const whole = [recordHead(['site.yaml']), 'package:nginx', `file:/a /a ${SUM}`] as const

describe('the record of a role', () => {
  const plan = (given: ReturnType<typeof state> | { inode: InodeState; record: ReturnType<typeof readRecord> }, of = spec) => {
    const change = owned.kind.plan(of, given, context)
    return change && `${change.action} ${change.certainty} ${change.reason}`
  }

  it('is written if it lacks a line or a playbook, and not for what it has beside', () => {
    expect(plan(state(...whole))).toBeUndefined()
    expect(plan(state(recordHead(['other.yaml', 'site.yaml']), ...whole.slice(1), 'user:left'))).toBeUndefined()
    expect(plan({ inode: ABSENT, record: readRecord([]) })).toBe('create exact missing')
    for (const differing of [
      state(whole[0], whole[1]),
      state(whole[0], whole[1], `file:/a /a ${'b'.repeat(64)}`),
      state(recordHead(['other.yaml']), ...whole.slice(1)),
      // An older format.
      { inode: inode('f'), record: readRecord(whole.slice(1)) },
    ])
      expect(plan(differing)).toBe('update exact content differs')
  })

  it('is not needed by a role without resources, whose last orphan takes it along', () => {
    const empty = { ...spec, lines: [] }
    expect(plan({ inode: ABSENT, record: readRecord([]) }, empty)).toBeUndefined()
    expect(plan(state(whole[0], 'user:left'), empty)).toBeUndefined()
    expect(plan(state(recordHead(['other.yaml']), 'user:left'), empty)).toBe('update exact content differs')
  })

  it('depends on a digest that is made in the run', () => {
    const of = (value?: string) => ({ ...spec, lines: [...lines, later(value)] })
    expect(plan(state(...whole), of())).toBe('update dependent content differs')
    expect(plan({ inode: ABSENT, record: readRecord([]) }, of())).toBe('create dependent missing')
    expect(plan(state(...whole), of(SUM))).toBe('update exact content differs')
    expect(plan(state(...whole, `file:/b /b ${SUM}`), of(SUM))).toBeUndefined()
  })

  it('keeps the lines of orphans, and all playbooks, for root only', () => {
    const before = state(recordHead(['z.yaml', 'site.yaml']), 'file:/a /a old', 'user:left', 'package:nginx')
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const written = stepsOf(owned.kind.apply([{ id: 'web', spec, state: before, change }])).join('\n')
    expect(written).toContain(`${recordHead(['site.yaml', 'z.yaml'])}package:nginx\nfile:/a /a ${SUM}\nuser:left\n`)
    expect(written).not.toContain('file:/a /a old')
    expect(written).toContain(recordPath('web'))
    expect(written).toContain('600')
  })

  it('is observed with its content', () => {
    const query = owned.kind.observe([spec])
    const path = '/var/lib/provision/owned/web'
    expect(query.shared).toEqual({ inodes: [path], texts: [path] })
    const answers = { ...NOTHING, inodes: new Map([[path, inode('f')]]), texts: new Map([[path, whole.map((line) => line.trim())]]) }
    expect(query.parse(Buffer.alloc(0), answers).get('web')).toEqual(state(...whole))
    expect([owned.kind.bookkeeping, owned.kind.contained, owned.kind.orphan]).toEqual([true, true, { forget: true }])
  })
})

describe('a line of a record', () => {
  it.each<[string, string, readonly [string, string | undefined, string | undefined]]>([
    ['a file with spaces', `file:/a b /a b ${SUM}`, ['file:/a b', '/a b', SUM]],
    ['an absent file', 'file:/a /a absent', ['file:/a', '/a', 'absent']],
    ['a certificate', 'certificate:/x/a.pem /x/a.pem.key disk', ['certificate:/x/a.pem', '/x/a.pem.key', 'disk']],
    ['a file that is made in the run', 'unit:a.service /etc/a later', ['unit:a.service', '/etc/a', 'later']],
    ['a digest that is too long', `file:/a /a ${SUM}0`, [`file:/a /a ${SUM}0`, undefined, undefined]],
    ['a word before it', ` file:/a /a ${SUM}`, [' file:/a', '/a', SUM]],
    ['nothing', '', ['', undefined, undefined]],
  ])('of the first format has %s', (_, line, [key, path, digest]) => {
    const [read] = readRecord([line]).lines
    expect([read?.key, read?.path, read?.digest]).toEqual([key, path, digest])
    // It is dropped from the record by its line in the present format.
    expect(read?.text).toBe(path === undefined || digest === undefined ? recordLine(key) : recordLine(key, path, digest))
  })

  it('with an invalid escape is kept', () => {
    const [read] = readRecord([recordHead([]).trim(), 'file:/a%zz /a%20b']).lines
    expect(read).toEqual({ key: 'file:/a%zz', path: '/a b', text: 'file:/a%zz /a%20b' })
    expect(recordLine('a\tb', 'c%d')).toBe('a%09b c%25d')
  })

  it('comes with the playbooks of its role', () => {
    expect(readRecord(['# {"provision":2,"playbooks":["a",1]}', 'x'])).toMatchObject({ format: 'this', playbooks: ['a', '1'] })
    expect(readRecord(['# {"provision":2,"playbooks":"a"}']).playbooks).toEqual([])
    expect(readRecord(['# {"provision":3,"playbooks":["a"]}', 'x'])).toEqual({ format: 3, playbooks: [], lines: [] })
    expect(readRecord(['#x']).format).toBe('older')
    expect(readRecord(['# {']).format).toBeNaN()
  })
})

describe('the outcome for an orphan', () => {
  const outcome = (line: string, more: object) => {
    const [resource] = readRecord([recordHead([]).trim(), line]).lines.map((one) => orphan({ role: 'r', owned: one, prune: true }))
    if (resource === undefined) throw new Error('no line')
    return orphanOutcome(resource, { recorded: true, inode: inode('f'), within: [], ...more }, {})
  }
  const FILE = `file:/etc/x /etc/x ${SUM}`

  it.each([FILE, 'link:/l /l ->x', 'directory:/d'])('is gone if it does not exist: %s', (line) => {
    expect(outcome(line, { inode: ABSENT })).toEqual({ is: 'gone' })
  })

  it('is gone if it was declared absent, or leaves nothing', () => {
    expect(outcome('file:/etc/x /etc/x absent', { sha256: SUM })).toEqual({ is: 'gone' })
    expect(outcome('command:install', {})).toEqual({ is: 'gone' })
  })

  it.each<[string, string, object, string]>([
    ['a link of a package', 'link:/l /l ->x', { inode: inode('l', 'x'), package: 'vim' }, 'it belongs to the package vim'],
    ['a directory of a package', 'directory:/d', { inode: inode('d'), package: 'vim' }, 'it belongs to the package vim'],
    ['a file in place of a directory', 'directory:/d', {}, 'somebody else changed it'],
    ['a file in place of a link', 'link:/l /l ->x', {}, 'somebody else changed it'],
    ['a directory in place of a file', FILE, { inode: inode('d') }, 'somebody else changed it'],
    ['three names', 'directory:/d', { inode: inode('d'), within: ['a', 'b', 'c'] }, 'it is not empty: a, b, c'],
    ['more names than were read', 'directory:/d', { inode: inode('d'), within: [MORE] }, 'it is not empty: more than 1000 entries'],
    ['four names', 'directory:/d', { inode: inode('d'), within: ['a', 'b', 'c', 'd'] }, 'it is not empty: a, b, c and 1 more'],
  ])('keeps %s', (_, line, more, why) => {
    expect(outcome(line, more)).toEqual({ is: 'stays', why })
  })

  it('is not observed for a resource without a path', () => {
    const [user] = readRecord([recordHead([]).trim(), 'user:ops']).lines.map((one) => orphan({ role: 'r', owned: one, prune: true }))
    const query = user?.kind.observe([user.spec])
    expect([query?.shared?.inodes, String(query?.script)]).toEqual([[], ''])
    const texts = new Map([[recordPath('r'), [recordHead([]).trim(), 'user:eve', 'user:ops']]])
    expect(query?.parse(Buffer.alloc(0), { ...NOTHING, texts }).get('ops')).toEqual({ recorded: true, inode: ABSENT, within: [] })
    expect(query?.parse(Buffer.alloc(0), NOTHING).get('ops')).toMatchObject({ recorded: false })
  })

  it('is observed with the package that its path belongs to, and the names within', () => {
    const resources = readRecord([recordHead([]).trim(), FILE, 'directory:/d', 'file:/etc/y /etc/y x']).lines.map((one) =>
      orphan({ role: 'r', owned: one, prune: true }),
    )
    const parse = (answer: string) =>
      resources.map(({ kind, spec, id }) => {
        const inodes = new Map(['/etc/x', '/d', '/etc/y'].map((path) => [path, inode(path === '/d' ? 'd' : 'f')] as const))
        return kind
          .observe([spec])
          .parse(Buffer.from(answer), { ...NOTHING, inodes, digests: new Map([['/etc/x', SUM]]) })
          .get(id)
      })
    const info = '/var/lib/dpkg/info'
    expect(parse(`${info}/libc6:amd64.list\0/etc/x\n${info}/nginx.list\0/d\nwithin\0/d\0a\0/d\0b c\0end\0`)).toEqual([
      { recorded: false, inode: inode('f'), sha256: SUM, within: [], package: 'libc6' },
      { recorded: false, inode: inode('d'), within: ['a', 'b c'], package: 'nginx' },
      { recorded: false, inode: inode('f'), within: [] },
    ])
    expect(() => parse(`${info}/nginx.list\0/d\n`)).toThrow('did not list the packages')
    for (const cut of ['', '/d\0a\0', '/d\0end\0', '/d\0a\0end'])
      expect(() => parse(`${info}/nginx.list\0/d\nwithin\0${cut}`)).toThrow('did not list all directories')
  })
})

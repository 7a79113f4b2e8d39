import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Work } from '../../../../src/resource/kind/kind.ts'
import { contents } from '../../../../src/resource/tree/contents.ts'
import { readEntries } from '../../../../src/resource/tree/list.ts'
import { type Here, here } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here()
  mkdirSync(host.at('app/sub/deep'), { recursive: true })
  for (const path of ['kept', 'sub/kept', 'old', 'sub/old', 'sub/deep/older', 'a b\nc']) writeFileSync(host.at(`app/${path}`), `${path}\n`)
})
afterEach(() => host.remove())

const declared = (options: object = {}) =>
  contents({
    ...{ path: host.at('app'), exclude: [], delete: true },
    files: ['kept', 'sub/kept'].map((path) => ({ path, sha256: 'a'.repeat(64) })),
    ...options,
  })
const planned = (options: object = {}) => {
  const [work] = host.plan(declared(options))
  return work === undefined ? undefined : `${work.change.reason}: ${work.change.differences.map(({ key, to }) => `${key} ${to}`).join()}`
}
const left = (): string => host.sh('cd app && find . -mindepth 1 | sort | tr "\\n" " "')

describe('what is not in the project', () => {
  test('is planned, deleted, and gone at the second run', () => {
    expect(planned()).toBe('5 entries are not in the project: deleted a b\nc, old, sub/deep, sub/deep/older, sub/old')
    expect(host.apply(host.plan(declared()), contents.kind)).toBeUndefined()
    expect(left()).toBe('./kept ./sub ./sub/kept ')
    expect(planned()).toBeUndefined()
  })

  test('stays without delete, and nothing is asked', () => {
    expect(planned({ delete: false })).toBeUndefined()
    const { script, shared } = contents.kind.observe([declared({ delete: false }).spec])
    expect([String(script), shared]).toEqual(['', { inodes: [] }])
  })

  test('stays if it is hidden, excluded or special, with the directories above', () => {
    host.sh(
      'cd app && mkdir .git x x/y log && touch .hidden .git/a x/y/.hid x/old log/a.txt && mkfifo sub/deep/pipe && mkdir -p e/f && touch e/f/g',
    )
    expect(planned({ exclude: ['log', 'e/*', '**/old', 'a*'] })).toBe('1 entry is not in the project: deleted sub/deep/older')
    expect(host.apply(host.plan(declared({ exclude: ['log'] })), contents.kind)).toBeUndefined()
    expect(left()).toBe(
      './.git ./.git/a ./.hidden ./kept ./log ./log/a.txt ./sub ./sub/deep ./sub/deep/pipe ./sub/kept ./x ./x/y ./x/y/.hid ',
    )
  })

  test('is a link that is deleted, and never followed', () => {
    mkdirSync(host.at('other'))
    writeFileSync(host.at('other/file'), 'x')
    symlinkSync(host.at('other'), host.at('app/link'))
    expect(host.apply(host.plan(declared()), contents.kind)).toBeUndefined()
    expect(left()).toBe('./kept ./sub ./sub/kept ')
    expect(host.sh('ls other')).toBe('file\n')
  })

  test('stays if its name is not UTF-8', () => {
    host.sh('cd app/sub/deep && touch "$(printf "n\\377")"')
    expect(host.apply(host.plan(declared()), contents.kind)).toBeUndefined()
    expect(host.sh('ls -b app/sub/deep')).toBe('n\\377\n')
  })

  test('of a directory that does not exist is nothing', () => {
    host.sh('rm -r app')
    expect(planned()).toBeUndefined()
  })

  test('is refused if somebody changed it since, and the rest stays too', () => {
    for (const [change, path] of [
      ['echo more >>app/old', 'old'],
      ['chmod 600 app/sub/deep', 'sub/deep'],
      ['rm app/sub/old && ln -s /etc/passwd app/sub/old', 'sub/old'],
    ] as const) {
      const work = host.plan(declared())
      const before = host.sh('cd app && find . | sort')
      host.sh(change)
      expect(host.apply(work, contents.kind)?.why).toContain(`${host.at(`app/${path}`)} is not as it was observed`)
      expect(host.sh('cd app && find . | sort')).toBe(before)
    }
  })

  test('is refused if a directory got another entry, and deleted at the next run', () => {
    const work = host.plan(declared())
    expect(
      host.apply(
        work,
        contents.kind,
        `touch -d @1 ${host.at('x')}; [ -e ${host.at('new')} ] || touch ${host.at('app/sub/deep/new')} ${host.at('new')}`,
      )?.why,
    ).toMatch(/sub\/deep cannot be deleted: Directory not empty/)
    expect(planned()).toContain('sub/deep, sub/deep/new')
    expect(host.apply(host.plan(declared()), contents.kind)).toBeUndefined()
    expect(left()).toBe('./kept ./sub ./sub/kept ')
  })

  test('that is gone meanwhile counts as deleted', () => {
    const work = host.plan(declared())
    host.sh('rm -r app/sub/deep app/old')
    expect(host.apply(work, contents.kind)).toBeUndefined()
    expect(left()).toBe('./kept ./sub ./sub/kept ')
  })

  test('is not reached through a link of another account', () => {
    const work = host.plan(declared())
    host.sh(
      'mkdir -p elsewhere/deep && cp -p app/sub/old elsewhere/old && rm -r app/sub && ln -s ../elsewhere app/sub && chown -h nobody app/sub app && chmod 755 app',
    )
    expect(host.apply(work, contents.kind)?.why).toMatch(/app\/sub is a link that root does not follow/)
    expect(host.sh('ls elsewhere')).toBe('deep\nold\n')
  })
})

test('the plan names at most fifty entries, and shows short texts that everybody can read', () => {
  host.sh('cd app && chmod 600 old && printf "\\377" >sub/binary && head -c 20000 /dev/zero | tr "\\0" x >sub/large && chmod 644 sub/*')
  const [work] = host.plan(declared()) as readonly Work<never, never>[]
  if (work === undefined) throw new Error('no change')
  const query = contents.kind.before?.([work])
  const before = query?.read(host.run(String(query.script)).stdout).get(work.id)
  const shown = contents.kind.diff?.(work, before)
  expect([shown, ...(shown?.more ?? [])].map((one) => [one?.name, one?.before, one?.after])).toEqual([
    ['sub/old', 'sub/old\n', ''],
    ['sub/deep/older', 'sub/deep/older\n', ''],
    ['a b\nc', 'a b\nc\n', ''],
  ])
  host.sh('cd app && i=0; while [ $i -lt 60 ]; do touch file$i; i=$((i + 1)); done')
  expect(planned()).toMatch(/ and 17 more$/)
})

test('a host with more entries than are compared is refused', () => {
  const state = { inode: 'absent' as const, entries: [], kept: [], isCut: true }
  const context = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
  expect(contents.kind.forbids?.(declared().spec, state, context)?.what).toBe(`${host.at('app')} has more than 20000 entries`)
  expect(contents.kind.forbids?.(declared().spec, { ...state, isCut: false }, context)).toBeUndefined()
})

test('an incomplete answer is an error', () => {
  const answer = (...fields: readonly string[]) => readEntries(Buffer.from(fields.map((field) => `${field}\0`).join('')))
  expect(answer('/a', 'whole', '1', 'x', 'f 644 0 0 1 1', '/b', 'cut', '0').get('/b')).toEqual({ entries: [], kept: [], isCut: true })
  expect(() => answer('/a', 'whole', '2', 'x', 'f 644 0 0 1 1')).toThrow('did not list all entries of /a')
  expect(() => answer('/a', 'whole')).toThrow()
  expect(() => answer('/a', 'maybe', '0')).toThrow('did not list')
  expect(() => readEntries(Buffer.from('/a'))).toThrow('did not list all entries')
})

test('what provision made itself is deleted as an orphan, and not named twice', () => {
  const { kind, spec } = declared({ exclude: ['log'] })
  const prunes = (path: string): boolean | undefined => contents.kind.prunes?.(spec, path)
  expect(['old', 'sub/old', 'log/a', '.git', 'sub/.git/a', '..'].map((path) => prunes(host.at(`app/${path}`)))).toEqual([
    ...[true, true, false, false, false, false],
  ])
  expect([prunes(host.at('app')), prunes('/other'), contents.kind.prunes?.({ ...spec, delete: false }, host.at('app/old'))]).toEqual([
    ...[false, false, false],
  ])
  const [{ state } = { state: undefined }] = host.plan(declared())
  const context = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
  const deleted = new Set(['old', 'a b\nc'].map((path) => host.at(`app/${path}`)))
  expect(kind.plan(spec, state, { ...context, deleted })?.reason).toBe('3 entries are not in the project')
})

import { describe, expect, it } from 'vitest'
import { bracketed } from '../../../../src/resource/kind/address.ts'
import { argumentLists, chunks, records } from '../../../../src/resource/kind/chunks.ts'
import {
  asText,
  bytesOf,
  hasSecret,
  isKnown,
  latersIn,
  sha256Hex,
  sha256Of,
  shownText,
  text,
} from '../../../../src/resource/kind/content.ts'
import { counted, describeDifferences, differing } from '../../../../src/resource/kind/differences.ts'
import {
  inodeWord,
  planAbsent,
  planUnreached,
  readInodes,
  reasonUnreached,
  refuseUnsafe,
  typeName,
  unreached,
} from '../../../../src/resource/kind/inode.ts'
import { wholeNumber } from '../../../../src/resource/kind/number.ts'
import { inTurn, requireBatch } from '../../../../src/resource/kind/one-by-one.ts'
import { orphanPolicyOf, registerOrphanPolicy } from '../../../../src/resource/kind/orphan-policy.ts'
import { absolutePath, accountName, baseOf, fileMode, parentOf } from '../../../../src/resource/kind/path.ts'
import { directoriesAbove, pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { digestAt, inodeAt, inodeQuery, mergeQueries, unitQuery } from '../../../../src/resource/kind/queries.ts'
import { secret } from '../../../../src/resource/kind/secret.ts'
import { readStamp } from '../../../../src/resource/kind/stamp.ts'
import { HostRefusal, outputExcerpt, requireSuccess } from '../../../../src/resource/kind/step.ts'
import { readExcerpts } from '../../../../src/resource/kind/walk-read.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'

const answer = (code: number, stdout = '', stderr = '') => ({ code, stdout: Buffer.from(stdout), stderr })
const refusal = (action: () => unknown): HostRefusal => {
  try {
    action()
  } catch (error) {
    if (error instanceof HostRefusal) return error
  }
  throw new Error('was not refused')
}
const SUM = 'a'.repeat(64)

describe('lists for a command line', () => {
  it('are split by number and by bytes', () => {
    expect(chunks([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]])
    expect(chunks([], 2)).toEqual([])
    expect(argumentLists([], 2)).toEqual([])
    expect(argumentLists(['a', 'b', 'c'], 2)).toEqual([['a', 'b'], ['c']])
    // Each argument needs its end and a pointer, and a character can have several bytes.
    const words = Array.from({ length: 3 }, () => 'é'.repeat(20_000))
    expect(argumentLists(words, 9).map(({ length }) => length)).toEqual([2, 1])
    expect(argumentLists(['x'.repeat(98_304 - 18), ''], 9)).toHaveLength(1)
    expect(argumentLists(['x'.repeat(98_304 - 17), ''], 9)).toHaveLength(2)
    expect(argumentLists(['x'.repeat(200_000), 'y', 'z'], 9).map(({ length }) => length)).toEqual([1, 2])
  })

  it('are read back as records of some fields', () => {
    expect(records(Buffer.from('a\0b\0c\0d\0'), 2)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
    expect(records(Buffer.alloc(0), 2)).toEqual([])
    for (const cut of ['a\0b', 'a\0', 'a\0b\0c\0']) expect(() => records(Buffer.from(cut), 2)).toThrow('incomplete')
  })
})

describe('content', () => {
  const unmade = { later: 'thumbprint', get: () => undefined, soFar: () => 'ab' }
  const made = { later: 'thumbprint', get: () => 'made' }

  it('is known once all its later values exist', () => {
    const [before, after] = [text`a${unmade}b`, text`a${made}${3}`]
    expect([isKnown(before), isKnown(after), latersIn(before), latersIn(undefined)]).toEqual([false, true, [unmade], []])
    expect([sha256Of(before), sha256Of(after)]).toEqual([undefined, sha256Hex('amade3')])
    expect(() => bytesOf(before)).toThrow('thumbprint has not been made yet')
    expect([shownText(before), shownText(after)]).toEqual(['aab‹made in this run›b', 'amade3'])
  })

  it('of several texts has the parts of all, and its secrets are masked', () => {
    const whole = text`[${text`user=${'u'} key=${new Secret('k3y')}`}]`
    expect([Buffer.from(bytesOf(whole)).toString(), shownText(whole), hasSecret(whole)]).toEqual([
      '[user=u key=k3y]',
      '[user=u key=•••]',
      true,
    ])
    expect(hasSecret(text`a`)).toBe(false)
    const file = { type: 'local', path: '/p', sha256: SUM, size: 2, open: () => Buffer.from('ab') } as const
    expect([isKnown(file), hasSecret(file), sha256Of(file), shownText(file), latersIn(file)]).toEqual([true, false, SUM, 'ab', []])
  })

  it('is text if it is UTF-8 without NUL', () => {
    expect([asText(Buffer.from('é')), asText(Buffer.from([255])), asText(Buffer.from('a\0'))]).toEqual(['é', undefined, undefined])
  })
})

describe('differences', () => {
  it('are named in one phrase', () => {
    const keys = (...names: readonly string[]) => describeDifferences(names.map((key) => ({ key })))
    expect([keys('mode'), keys('mode', 'owner'), keys('mode', 'owner', 'group')]).toEqual([
      ...['mode differs', 'mode and owner differ', 'mode, owner and group differ'],
    ])
    const singular = ['value at boot', 'mode of keys', 'tls required', 'address', 'status', 'canvas', 'kubernetes', 'nfs', 'lens', 's']
    for (const name of singular) expect(keys(name)).toBe(`${name} differs`)
    const plural = ['keys', 'grants', 'groups', 'rules', 'settings', 'names', 'usages', 'keys in .ssh/authorized_keys2', 'names of /x']
    for (const name of plural) expect(keys(name)).toBe(`${name} differ`)
    expect(describeDifferences([{ key: 'mice at home' }], ['mice'])).toBe('mice at home differ')
    expect(describeDifferences([{ key: 'mice' }, { key: 'mode' }], ['mice'])).toBe('mice and mode differ')
    expect(differing({ a: 1, b: undefined, c: 'x' }, { a: 2, b: 3, c: 'x' })).toEqual([{ key: 'a', from: '2', to: '1' }])
    expect(differing({ a: 1 }, {})).toEqual([{ key: 'a', to: '1' }])
    expect([counted(1, 'table'), counted(0, 'table'), counted(2, 'table')]).toEqual(['1 table', '0 tables', '2 tables'])
  })
})

describe('an inode', () => {
  it('is read between other records', () => {
    const states = new Map()
    const fields = ['x', 'absent', '/a', 'inode', '/b', 'l', '777', 'root', 'adm', '/a', 'changed', '/b']
    expect(readInodes(fields, states, 1)).toBe(10)
    expect([...states]).toEqual([
      ['/a', 'absent'],
      ['/b', { type: 'l', mode: '777', owner: 'root', group: 'adm', target: '/a' }],
    ])
    expect(readInodes(['x'], states)).toBe(0)
  })

  it('is formatted for people, and for the comparison on the host', () => {
    expect(['f', 'd', 'l', 'p'].map(typeName)).toEqual(['a file', 'a directory', 'a symbolic link', 'a special file'])
    const inode = { type: 'f', mode: '644', owner: 'a', group: 'b', target: '' }
    expect([inodeWord(undefined), inodeWord('absent'), inodeWord(inode), inodeWord({ ...inode, type: 'l', target: '../x\0y' })]).toEqual([
      ...['', 'absent', 'f 644 a b', 'l ../x?y'],
    ])
    const held = unreached('/home/eve', 'eve', 'is a link that root does not follow')
    expect([reasonUnreached(held), reasonUnreached({ ...held, owner: '' }), reasonUnreached(inode), reasonUnreached('absent')]).toEqual([
      ...['/home/eve is a link that root does not follow (owner: eve)', '/home/eve is a link that root does not follow'],
      ...[undefined, undefined],
    ])
    expect([planUnreached(held)?.action, planUnreached(inode)]).toEqual(['update', undefined])
    expect([planAbsent(inode, true)?.certainty, planAbsent('absent', true)?.certainty, planAbsent('absent', false)]).toEqual([
      ...['exact', 'dependent', undefined],
    ])
    expect(refusal(() => refuseUnsafe(answer(67, '', 'why'), 'x', ['a']))).toMatchObject({ what: 'x', why: 'why', done: ['a'] })
    expect(() => refuseUnsafe(answer(1), 'x')).not.toThrow()
  })

  it('of a query is the state of a path', () => {
    const inodes = new Map<string, 'absent'>([['/a', 'absent']])
    const query = inodeQuery(['/a'])
    expect([query.shared, query.parse(Buffer.alloc(0), { ...NOTHING, inodes })]).toEqual([{ inodes: ['/a'] }, inodes])
    expect(() => inodeAt({ ...NOTHING, inodes }, '/b')).toThrow('the host did not report /b')
    expect(digestAt({ ...NOTHING, inodes }, '/a')).toBe('absent')
    const file = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }
    const found = { ...NOTHING, inodes: new Map([['/b', file]]) }
    expect([digestAt(found, '/b'), digestAt({ ...found, digests: new Map([['/b', SUM]]) }, '/b')]).toEqual(['no file', SUM])
  })
})

describe('paths', () => {
  it('have one spelling', () => {
    for (const path of ['/', '/a', '/a b/ü', '/a.b/..c']) expect(absolutePath.safeParse(path).success).toBe(true)
    for (const path of ['', 'a', '//', '/a/', '/a//b', '/a/.', '/../a', '/a\nb', '/a\0'])
      expect(absolutePath.safeParse(path).success).toBe(false)
    expect(['644', '0644', '2755', '02755', '0000'].map((mode) => fileMode.parse(mode))).toEqual(['644', '644', '2755', '2755', '0'])
    for (const mode of ['64', '888', '64444', 'x644', '644x', '']) expect(fileMode.safeParse(mode).success).toBe(false)
    for (const name of ['a', '_apt', 'a-b_c9', 'a'.repeat(32)]) expect(accountName.safeParse(name).success).toBe(true)
    for (const name of ['', '9a', 'A', '-a', 'a b', 'a'.repeat(33), 'xA', ' a']) expect(accountName.safeParse(name).success).toBe(false)
    expect(['/a/b', '/a', '/'].map(parentOf)).toEqual(['/a', '/', '/'])
    expect(['/a/b.c', 'b'].map(baseOf)).toEqual(['b.c', 'b'])
    expect([directoriesAbove('/a/b/c'), directoriesAbove('/a')]).toEqual([['/a', '/a/b'], []])
    expect(['192.0.2.1', '2001:db8::1'].map(bracketed)).toEqual(['192.0.2.1', '[2001:db8::1]'])
  })
})

describe('queries', () => {
  it('of several kinds are asked once', () => {
    const merged = mergeQueries([
      { inodes: ['/a'], texts: ['/t'], sizes: new Map([['/a', 1]]) },
      undefined,
      { inodes: ['/a', '/b'], units: ['u.service'] },
    ])
    expect(merged).toEqual({
      ...{ inodes: ['/a', '/b'], trees: [], digests: [], texts: ['/t'], patterns: [], guarded: [], units: ['u.service'] },
      sizes: new Map([['/a', 1]]),
    })
  })

  it('about units have an answer for each, in their order', () => {
    const query = unitQuery(['a.service', 'b.service'])
    const read = query.read(Buffer.from('Id=a\nA=x=y\n\nId=real\nA=\n'))
    expect([read.get('a.service')?.get('A'), read.get('b.service')?.get('A'), read.get('b.service')?.get('Id')]).toEqual([
      'x=y',
      '',
      'real',
    ])
    expect(() => query.read(Buffer.from('Id=a\n'))).toThrow('systemctl described 1 of 2 units')
    expect(unitQuery([]).read(Buffer.alloc(0))).toEqual(new Map())
    expect(String(unitQuery(Array.from({ length: 1001 }, (_, i) => `u${i}.service`)).script).match(/systemctl show/g)).toHaveLength(2)
  })

  it('about paths are read as a whole', () => {
    const { inodes, digests, texts } = pathQueries(mergeQueries([{ inodes: ['/a', '/b'], digests: ['/a'], texts: ['/t'] }]))
    const record = 'inode\0/a\0f\x00644\0root\0root\0\0changed\0/a\x001795454103.1234567890\0'
    const read = inodes.read(Buffer.from(`${record}absent\0/b\0`))
    expect([read.inodes.get('/b'), read.changed.get('/a')]).toEqual(['absent', 1_795_454_103_123_456])
    expect(read.inodes.get('/a')).toMatchObject({ type: 'f', mode: '644' })
    expect(inodes.read(Buffer.from(record)).inodes.get('/b')).toMatchObject({ type: 'unreached', mode: 'was moved during the observation' })
    expect(inodes.read(Buffer.from('changed\0/a\0now\0')).changed.get('/a')).toBe(0)
    for (const cut of [record.slice(0, -1), `${record}in`, `${record}odd\0`])
      expect(() => inodes.read(Buffer.from(cut))).toThrow('incomplete record')
    const tree = 'leads\0/c\0/real\0tree\0/real/.\0d\x00755\x000:0\0in\0x y\0f\x00644\x000:0\x0012.500000\0'
    expect(inodes.read(Buffer.from(tree)).trees.get('/c')).toEqual(
      new Map([
        ['', { type: 'd', mode: '755', owner: '0:0' }],
        ['x y', { type: 'f', mode: '644', owner: '0:0', modified: 12_500_000 }],
      ]),
    )
    expect([...digests.read(Buffer.from(`${SUM}  /a\nb\0${SUM} */c\0`))]).toEqual([
      ['/a\nb', SUM],
      ['/c', SUM],
    ])
    for (const cut of [`${SUM}  /a`, `${SUM} \0`, 'x\0', `x${SUM}  /a\0`])
      expect(() => digests.read(Buffer.from(cut))).toThrow('incomplete digest')
    expect([...texts.read(Buffer.from('/t\0one\n/t\0/x\0y\n/u\0\nend:0\n'))]).toEqual([
      ['/t', ['one', '/x\0y']],
      ['/u', ['']],
    ])
    for (const cut of ['/t\0one\n', 'end:3\n', '', '/t\0end:0\n', 'end:0'])
      expect(() => texts.read(Buffer.from(cut))).toThrow('could not read all files')
    const none = pathQueries(mergeQueries([]))
    expect([none.texts.read(Buffer.alloc(0)), none.digests.read(Buffer.alloc(0))]).toEqual([new Map(), new Map()])
    const patterns = pathQueries(mergeQueries([{ patterns: ['/x/*'] }])).texts
    expect(() => patterns.read(Buffer.alloc(0))).toThrow('could not read all files')
  })

  it('for a diff are read up to the first incomplete part', () => {
    const whole = '/a\x003\0one/b\x000\0/c\x002\0\0x'
    expect([...readExcerpts(Buffer.from(whole))].map(([path, bytes]) => [path, bytes.toString()])).toEqual([
      ['/a', 'one'],
      ['/b', ''],
      ['/c', '\0x'],
    ])
    for (const cut of ['/a\x004\0one', '/a\x003', '/a', '/a\0x\0one', '/a\x00-1\0']) expect(readExcerpts(Buffer.from(cut)).size).toBe(0)
  })
})

describe('a stamp', () => {
  it('begins with a time', () => {
    expect(readStamp([])).toBeUndefined()
    for (const line of ['', 'x1', '1x', `${SUM}  /a`]) expect(readStamp([line])).toBeUndefined()
    expect(readStamp(['7', `${SUM}  /a`, `${SUM} */b`, 'absent /c', `x${SUM}  /d`, `${SUM}  e`, `\\${SUM}  /f\\\\g\\nh`])).toEqual({
      at: '7',
      sums: new Map([
        ['/a', SUM],
        ['/b', SUM],
        ['/c', 'absent'],
        ['/f\\g\nh', SUM],
      ]),
    })
  })
})

describe('an answer of a host', () => {
  it('of a failed script has its last lines', () => {
    expect(requireSuccess(answer(0, 'x'), 'done').stdout.toString()).toBe('x')
    expect(refusal(() => requireSuccess(answer(3, 'out', ' \n'), 'it failed', 'mend it'))).toMatchObject({
      what: 'it failed (exit 3)',
      why: 'out',
      fix: 'mend it',
    })
    expect(refusal(() => requireSuccess(answer(3, 'out', 'error\n'), 'it failed')).why).toBe('error')
    expect(outputExcerpt(' \n')).toBe('the host printed nothing')
    expect(outputExcerpt(Array.from({ length: 21 }, (_, i) => `${i}`).join('\n'))).not.toMatch(/^0$/m)
    const plain = new HostRefusal('what', 'why')
    expect([plain.message, plain.done, plain.culprit, plain.othersToo]).toEqual(['what: why', [], undefined, false])
  })

  it('is a whole number, or an error', () => {
    expect(['7\n', '-3', '0'].map((output) => wholeNumber(output, 'x'))).toEqual([7, -3, 0])
    for (const output of ['', '7x', 'x7', '7.5', '1 2'])
      expect(refusal(() => wholeNumber(output, 'the number')).what).toBe('the number cannot be read')
    expect(refusal(() => wholeNumber('x'.repeat(200), 'x')).why.length).toBeLessThan(140)
  })

  it('to a batch names what was done and what failed', () => {
    const work = [{ id: 'a' }, { id: 'b' }]
    const what = (id: string | undefined) => `${id ?? 'all'} not written`
    const of = (given: ReturnType<typeof answer>, more: object = {}, some = work) =>
      refusal(() => requireBatch(given, some, { what, ...more }))
    expect(() => requireBatch(answer(0), work, { what })).not.toThrow()
    expect(of(answer(1, 'done\0a\0culprit\0b\0', 'why'), { fix: 'mend' })).toMatchObject({
      ...{ what: 'b not written (exit 1)', why: 'why', fix: 'mend', done: ['a'], culprit: 'b' },
    })
    expect(of(answer(1))).toMatchObject({ what: 'all not written (exit 1)', culprit: undefined })
    expect(of(answer(1), {}, [{ id: 'a' }]).culprit).toBe('a')
    expect(of(answer(68), { before: ['z'] })).toMatchObject({
      what: 'all not written',
      fix: expect.stringContaining('run again'),
      done: ['z'],
    })
    expect(of(answer(67))).toMatchObject({ what: 'all not written', fix: expect.stringContaining('a directory of root') })
    expect(of(answer(69, 'done\0a\0'), { restored: true })).toMatchObject({ what: 'all not written', done: [] })
    // The output of a program before the word does not hide it.
    expect(of(answer(1, 'noise done\0a\0other\0b\0')).done).toEqual(['a'])
  })

  it('to scripts in turn names the first that was not done', () => {
    const work = ['a', 'b', 'c'].map((id) => ({ id, spec: id, state: 0, change: {} as never }))
    const turn = (given: ReturnType<typeof answer>, words: object = {}) => {
      const steps = inTurn(work, ({ spec }) => sh`do ${spec}`, { doing: 'doing it', failed: (id) => `${id} failed`, ...words })
      expect(steps.next().value).toMatchObject({ do: 'shell', doing: 'doing it' })
      return refusal(() => steps.next(given))
    }
    expect(inTurn([], () => sh``, { doing: '', failed: () => '' }).next().done).toBe(true)
    expect(turn(answer(1, 'done\0a\0', 'why'), { fix: 'mend' })).toMatchObject({
      what: 'b failed (exit 1)',
      why: 'why',
      fix: 'mend',
      done: ['a'],
      culprit: 'b',
    })
    expect(turn(answer(5), { fix: (code: number) => `mend ${code}` }).fix).toBe('mend 5')
    expect(turn(answer(68, 'culprit\0c\0'))).toMatchObject({ what: 'c failed', culprit: 'c', fix: expect.stringContaining('run again') })
    expect(turn(answer(67))).toMatchObject({ what: 'a failed', fix: expect.stringContaining('a directory of root') })
  })
})

describe('the policy for orphans of a kind', () => {
  it('is registered once, under a name that can be a part of keys', () => {
    registerOrphanPolicy('values-test', { forget: true })
    expect(orphanPolicyOf('values-test:a:b')).toEqual({ forget: true })
    expect(() => registerOrphanPolicy('values-test', undefined)).toThrow('another kind has the name values-test')
    for (const name of ['', 'A', '9a', 'a:b', 'a b', '-a'])
      expect(() => registerOrphanPolicy(name, undefined)).toThrow('the name of a kind')
    registerOrphanPolicy('values-none', undefined)
    expect([orphanPolicyOf('values-none:a'), orphanPolicyOf('unknown:a')].every((policy) => 'keep' in policy)).toBe(true)
  })
})

it('an option that is a secret is masked from then on, and never empty', () => {
  const own = new Secret('s')
  const parsed = secret().parse('plain')
  expect([secret().parse(own) === own, parsed instanceof Secret && parsed.reveal()]).toEqual([true, 'plain'])
  for (const value of ['', 7, undefined, {}]) expect(secret().safeParse(value).success).toBe(false)
})

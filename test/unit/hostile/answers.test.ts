import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readFacts } from '../../../src/engine/observe/facts.ts'
import { type Observation, queryHost } from '../../../src/engine/observe/host-query.ts'
import { readOwned, withOrphans } from '../../../src/engine/plan/orphans.ts'
import { planHost } from '../../../src/engine/plan/plan-host.ts'
import { AnswerReader } from '../../../src/host/shell/frame.ts'
import { Problem } from '../../../src/problem.ts'
import { playbooksIn } from '../../../src/site/project-playbooks.ts'
import { onOneHost } from './every-kind.ts'

setFlagsFromString('--expose-gc')
/** Collects garbage, so that the remaining memory is in use. */
const collect: () => void = runInNewContext('gc')

const MARK = '0123456789abcdef'.repeat(2)
const bytes = (most: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength: most }).map((array) => Buffer.from(array))

/** Output that imitates the framing: parts of the mark, other marks, characters that follow a mark. */
const imitation = fc
  .array(
    fc.oneof(
      fc.nat(MARK.length - 1).map((length) => MARK.slice(0, length)),
      fc.constantFrom(
        '+',
        '-',
        ' 0\n',
        `${MARK.slice(0, -1)}x+`,
        `${MARK.slice(1)}+`,
        'f'.repeat(32),
        '\0',
        '\n',
        'absent\0',
        'inode\0',
        'end:0\n',
      ),
      bytes(20).map((some) => some.toString('latin1')),
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''))
  .filter((text) => !text.includes(MARK))

const inPieces = (stream: Buffer, cuts: readonly number[]): readonly Buffer[] => {
  const ends = [...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length]
  return ends.map((end, i) => stream.subarray(ends[i - 1] ?? 0, end))
}

const answerOf = (pieces: readonly Buffer[]) => {
  const answer = { stdout: '', code: Number.NaN, stderr: '', ended: 0 }
  const reader = new AnswerReader()
  reader.expect({
    mark: MARK,
    onStdout: (piece) => {
      answer.stdout += piece.toString('latin1')
    },
    onEnd: (code, stderr) => Object.assign(answer, { code, stderr, ended: answer.ended + 1 }),
  })
  for (const piece of pieces) reader.push(piece)
  return answer
}

describe('the answer of a host', () => {
  it('is the output of its script, also if that imitates the framing, and for every split by the network', () => {
    fc.assert(
      fc.property(imitation, imitation, imitation, fc.nat(255), fc.array(fc.nat(), { maxLength: 8 }), (noise, out, err, code, cuts) => {
        // A prefix of the mark directly before a mark cannot be distinguished; real marks are random.
        fc.pre([noise, out, err].every((text) => !`${text}${MARK}`.slice(0, -1).includes(MARK)))
        const stream = Buffer.from(`${noise}${MARK}+${out}${MARK} ${code}\n${err}${MARK}-`, 'latin1')
        const answer = answerOf(inPieces(stream, cuts))
        expect(answer).toEqual({ stdout: out, code, stderr: Buffer.from(err, 'latin1').toString(), ended: 1 })
      }),
      { numRuns: 800 },
    )
  })

  it('that is truncated never ends', () => {
    const stream = Buffer.from(`${MARK}+out${MARK} 0\nerr${MARK}-`)
    for (let end = 0; end < stream.length; end += 1) expect(answerOf([stream.subarray(0, end)]).ended).toBe(0)
  })

  it('of random bytes ends at most once, and succeeds only with the exit status 0', () => {
    const sign = fc.oneof(
      fc.constantFrom(MARK, `${MARK}+`, `${MARK} `, `${MARK}-`, '0\n', 'x\n', '\n', '1e3\n', '-0\n'),
      bytes(9).map((some) => some.toString('latin1')),
    )
    fc.assert(
      fc.property(fc.array(sign, { maxLength: 20 }), (pieces) => {
        const { ended, code } = answerOf([Buffer.from(pieces.join(''), 'latin1')])
        expect(ended).toBeLessThanOrEqual(1)
        if (ended === 1 && code === 0) expect(pieces.join('')).toContain(`${MARK} `)
      }),
    )
  })

  it.each([
    ['an error that never ends', `${MARK}+${MARK} 0\n`],
    ['an exit status that never ends', `${MARK}+${MARK} `],
    ['a greeting that never ends', ''],
  ])('does not fill our memory with %s', { timeout: 30_000 }, async (_, begin) => {
    collect()
    const before = process.memoryUsage().arrayBuffers
    const reader = new AnswerReader()
    reader.expect({ mark: MARK, onStdout: () => {}, onEnd: () => {} })
    reader.push(Buffer.from(begin))
    for (let i = 0; i < 200; i += 1) reader.push(Buffer.alloc(1_000_000, 'x'))
    // Memory is freed concurrently, a little later.
    await expect
      .poll(
        () => {
          collect()
          return process.memoryUsage().arrayBuffers - before
        },
        { timeout: 20_000 },
      )
      .toBeLessThan(20_000_000)
  })
})

const placed = onOneHost.map((resource) => ({ play: 0, role: 'role', resource }))

describe('a random observation', () => {
  const sections = (): { mark: string; count: number; read: (stdout: Buffer) => Observation } => {
    const look = queryHost('h', placed)
    const mark = /printf '%s' ([0-9a-f]{32})/.exec(look.script)?.[1] ?? expect.fail('no mark')
    return { mark, count: look.script.split(mark).length - 2, read: look.read }
  }
  const field = fc.oneof(
    fc.constantFrom(
      'inode',
      'absent',
      'tree',
      'in',
      'changed',
      '/etc/x',
      '/d',
      'f',
      'd',
      '644',
      'root',
      '\0',
      '\n',
      ' ',
      ':',
      'end:0\n',
      'end passwd 0\n',
      'x'.repeat(64),
      'a'.repeat(64),
      'LoadState=loaded\n',
      '\n\n',
      '{',
      '}',
      'table inet x {\n',
    ),
    bytes(12).map((some) => some.toString('latin1')),
  )
  const text = fc.array(field, { maxLength: 25 }).map((pieces) => pieces.join(''))

  it('is planned, or refused as a problem of its host', () => {
    const { mark, count, read } = sections()
    expect(count).toBeGreaterThan(10)
    fc.assert(
      fc.property(fc.array(text, { minLength: count, maxLength: count }), (answers) => {
        try {
          const observation = read(Buffer.from(`${mark}${answers.join(mark)}${mark}`, 'latin1'))
          planHost({ resources: placed, observation, observations: new Map([['h', observation]]), selected: () => true, now: new Date() })
        } catch (error) {
          expect(error).toBeInstanceOf(Problem)
          expect((error as Problem).where).toEqual({ host: 'h' })
        }
      }),
      { numRuns: 600 },
    )
  })

  it('is refused if it is truncated, empty or enormous', () => {
    const { mark, count, read } = sections()
    const whole = `${mark}${Array(count).fill('').join(mark)}${mark}`
    for (const text of ['', mark, whole.slice(0, -1), whole.repeat(2), `${whole}${mark}`, 'x'.repeat(50_000_000)])
      expect(() => read(Buffer.from(text))).toThrow(Problem)
  })

  it('of facts and ownership records is read, or refused as a problem of its host', () => {
    const line = fc.oneof(
      text,
      fc.constantFrom(
        'os ID=debian',
        'os VERSION_ID=12',
        'hostname $(id)',
        'hostname ../../x',
        '/proc/meminfo:MemTotal: 99999999999999999999 kB',
        '/etc/ssh/sshd_config:Port 99999',
        'route eth0\tFFFFFFFF\t00000000\t0001\t0\t0\t0\tZZZZZZZZ\t',
      ),
      fc.tuple(fc.constantFrom('r', '..', 'a:b', 'nginx'), text).map(([role, text]) => `/var/lib/provision/owned/${role}:${text}`),
      fc.constantFrom(
        ...[
          '["',
          '# {"provision":2,"playbooks":[1,null,{}]}',
          '# {"provision":2,"playbooks":["site.yaml"]}',
          'file:/etc/passwd /etc/passwd x',
          'directory:/',
          'unit:../x /etc/x x',
        ].map((text) => `/var/lib/provision/owned/r:${text}`),
      ),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const stdout = lines.join('\n')
        for (const read of [
          () => readFacts('h', stdout, ['1', '2', '3', '4']),
          () => {
            const all = withOrphans({
              host: 'h',
              project: playbooksIn('/project'),
              records: readOwned('h', stdout),
              declared: [],
              playbooks: ['site.yaml'],
              firstPlay: 0,
              prune: true,
            })
            queryHost('h', all)
          },
        ])
          try {
            read()
          } catch (error) {
            expect(error).toBeInstanceOf(Problem)
          }
      }),
      { numRuns: 600 },
    )
  })
})

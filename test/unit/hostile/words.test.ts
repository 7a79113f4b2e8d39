import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Problem } from '../../../src/problem.ts'
import { visible, words } from '../../../src/report/text.ts'
import { type UserState, user } from '../../../src/resource/account/user.ts'
import { sha256Hex } from '../../../src/resource/kind/content.ts'
import { absolutePath, accountName } from '../../../src/resource/kind/path.ts'
import { pathQueries } from '../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../src/resource/kind/queries.ts'
import type { Step } from '../../../src/resource/kind/step.ts'
import { readRecord, recordHead, recordLine } from '../../../src/resource/ownership/record.ts'
import { dropin } from '../../../src/resource/service/unit.ts'
import { unitName } from '../../../src/resource/service/unit-name.ts'
import { commandLine } from '../../../src/shell/quote.ts'
import { parseYaml } from '../../../src/site/yaml/yaml.ts'
import { hostile } from './values.ts'

const scratch = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'hostile-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

describe('a hostile word', () => {
  it('reaches a program unchanged, through every shell', { timeout: 30_000 }, () => {
    for (const shell of ['dash', 'bash'])
      fc.assert(
        fc.property(fc.array(hostile(), { minLength: 1, maxLength: 20 }), (given) => {
          const { stdout } = spawnSync(shell, [], { input: `printf '%s\\0' ${commandLine(...given)}\n` })
          expect(stdout.toString().split('\0').slice(0, -1)).toEqual(given.map((word) => Buffer.from(word).toString()))
        }),
        { numRuns: 20 },
      )
  })

  it('does not control the terminal that shows it', () => {
    fc.assert(
      fc.property(hostile(), (text) => {
        for (const shown of [visible(text), words(text)]) expect(shown).not.toMatch(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/)
      }),
    )
  })

  it('in an ownership record is one resource, with its own key and path', () => {
    fc.assert(
      fc.property(hostile(), hostile(), (key, path) => {
        const line = recordLine(`file:${key}`, path, 'x')
        expect(line).not.toContain('\n')
        expect(readRecord([recordHead([]).trim(), line]).lines).toEqual([{ key: `file:${key}`, path, digest: 'x', text: line }])
      }),
    )
  })
})

describe('a hostile path', () => {
  it('is refused, or stays one path', () => {
    fc.assert(
      fc.property(hostile(), (text) => {
        const read = absolutePath.safeParse(`/${text}`)
        if (read.success) expect(`/${text}`).toBe(join('/', text))
        if (read.success) expect(text).not.toMatch(/\p{Cc}/u)
      }),
    )
  })

  it('of a file is observed unchanged', () => {
    const root = scratch()
    const names = fc
      .sample(hostile(12), { numRuns: 300, seed: 7 })
      .map((name) => name.replaceAll('/', '_'))
      .filter((name) => Buffer.byteLength(name) < 200 && absolutePath.safeParse(`/${name}`).success)
    const files = [...new Set(names)].map((name) => ({ path: join(root, name), text: `of ${name}` }))
    expect(files.length).toBeGreaterThan(50)
    for (const { path, text } of files) writeFileSync(path, text)
    const paths = files.map(({ path }) => path)
    const { inodes, digests, texts } = pathQueries(mergeQueries([{ inodes: paths, digests: paths, texts: paths }]))
    // All accounts may write to /tmp, so the reader for untrusted directories is used as well.
    for (const theirs of ['', 'theirs() { false; }']) {
      const answer = (script: string): Buffer =>
        execFileSync('dash', [], {
          input: `{ { ${inodes.script}\n} >"$T/inodes"; ${theirs}\n${script}\n} </dev/null 2>/dev/null`,
          env: { LC_ALL: 'C', PATH: process.env.PATH, T: scratch() },
        })
      const found = inodes.read(answer('cat "$T/inodes"'))
      expect(paths.filter((path) => found.inodes.get(path) === undefined || found.inodes.get(path) === 'absent')).toEqual([])
      expect([...digests.read(answer(String(digests.script)))]).toEqual(
        expect.arrayContaining(files.map(({ path, text }) => [path, sha256Hex(Buffer.from(text))])),
      )
      expect([...texts.read(answer(String(texts.script)))]).toEqual(expect.arrayContaining(files.map(({ path, text }) => [path, [text]])))
    }
  })
})

describe('a hostile name', () => {
  it('of an account or a unit is refused, or stays one word for shells and option parsers', () => {
    fc.assert(
      fc.property(hostile(), (text) => {
        for (const [schema, name] of [
          [accountName, text],
          [unitName, `${text}.service`],
        ] as const)
          if (schema.safeParse(name).success) expect(name).toMatch(/^[A-Za-z0-9_:.\\][A-Za-z0-9_:.@\\-]*$/)
      }),
      { numRuns: 500 },
    )
  })

  it('of a person is refused, or given to useradd as one argument', { timeout: 60_000 }, () => {
    const NEW = { account: 'absent', newHome: { fault: undefined, owner: undefined } } as UserState
    const stubs = scratch()
    for (const program of ['useradd', 'usermod', 'getent', 'chage']) {
      writeFileSync(join(stubs, program), `#!/bin/sh\nprintf '%s\\0' "$@" >>"${stubs}/said"\n${program === 'getent' ? 'exit 2\n' : ''}`)
      chmodSync(join(stubs, program), 0o755)
    }
    let asked = 0
    fc.assert(
      fc.property(hostile(), (comment) => {
        const read = user.kind.schema.safeParse({ name: 'ops', comment })
        if (!read.success) return
        asked += 1
        writeFileSync(join(stubs, 'said'), '')
        const verdict = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
        const next = user.kind.apply([{ id: 'ops', spec: read.data, state: NEW, change: verdict }]).next()
        const { script } = next.value as Extract<Step, { do: 'shell' }>
        spawnSync('dash', [], { input: String(script), env: { PATH: `${stubs}:${process.env.PATH}`, T: stubs } })
        expect(readFileSync(join(stubs, 'said'), 'utf8').split('\0')).toContain(comment)
      }),
      { numRuns: 100 },
    )
    expect(asked).toBeGreaterThan(20)
  })
})

/** systemd.syntax(7): a backslash at the end continues a line; `#` and `;` begin comments; all other lines are settings. */
const settingsOf = (text: string): readonly string[] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^[#;]/.test(line))

it('a hostile setting of a unit is refused, or stays the one setting that it is', () => {
  fc.assert(
    fc.property(hostile(), (value) => {
      let text: string
      try {
        const { spec } = dropin({ unit: 'x.service', name: 'limits', settings: { Service: { ExecStart: value, User: 'nobody' } } })
        text = (spec.file.content as { parts: readonly string[] }).parts.join('')
      } catch {
        return
      }
      expect(settingsOf(text)).toEqual(['[Service]', `ExecStart=${value}`.trim(), 'User=nobody'])
    }),
    { numRuns: 500 },
  )
})

describe('a hostile YAML file', () => {
  const read = (text: string) =>
    parseYaml('x.yaml', text, {
      env: {},
      command: () => ({ failed: 'never' }),
      secrets: undefined,
      secretsPath: 's',
      secretsUnreadable: false,
    })

  it('is read, or refused with a position', () => {
    const signs = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ' ',
      '\n',
      '- ',
      '&a ',
      '*a',
      '<<: ',
      '!!map ',
      '"',
      "'",
      '|',
      '>',
      '#',
      '?',
      ',',
      'a',
      `\${env:X}`,
      `\${secret:`,
      '\t',
      '---\n',
      '%YAML 1.1\n',
      '\ufeff',
      '\0',
      '🦀',
    )
    fc.assert(
      fc.property(fc.array(signs, { maxLength: 60 }), (pieces) => {
        const { problems } = read(pieces.join(''))
        for (const problem of problems) expect(problem).toBeInstanceOf(Problem)
        for (const { where } of problems) expect(where).toMatchObject({ file: 'x.yaml', line: expect.any(Number) })
      }),
      { numRuns: 1500 },
    )
  })

  it.each<[string, string]>([
    [
      'of aliases',
      [
        'a: &a [x,x,x,x,x,x,x,x,x]',
        ...Array.from('bcdefghi', (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
      ].join('\n'),
    ],
    ['that merges itself', 'a: &a\n  <<: *a\n  b: *a\n'],
    [
      'of merges',
      [
        'a: &a { x: 1 }',
        ...Array.from('bcdefghijk', (name, i) => `${name}: &${name}\n  <<: [${Array(9).fill(`*${'abcdefghijk'[i]}`).join(',')}]`),
      ].join('\n'),
    ],
    ['that nests lists', '['.repeat(100_000)],
    ['that nests maps', Array.from({ length: 20_000 }, (_, i) => `${' '.repeat(i % 500)}a:`).join('\n')],
    ['that nests flow maps', '{a: '.repeat(50_000)],
    ['of one long key', `${'k'.repeat(1_000_000)}: 1`],
    ['of many references', `a: "${`\${env:X}`.repeat(100_000)}"`],
    ['of many anchors', Array.from({ length: 20_000 }, (_, i) => `k${i}: &a${i} ${i}`).join('\n')],
  ])('that is a bomb %s does no harm', { timeout: 10_000 }, (_, text) => {
    const begun = performance.now()
    for (const problem of read(text).problems) expect(problem.message.length).toBeLessThan(5000)
    expect(performance.now() - begun).toBeLessThan(8000)
  })
})

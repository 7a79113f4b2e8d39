// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Problem } from '../../../../src/problem.ts'
import { conditionOf } from '../../../../src/role/yaml/condition.ts'
import { isReference, piecesOf, ROOTS, referenceText } from '../../../../src/role/yaml/template.ts'
import type { SourceScalar } from '../../../../src/site/source/source-map.ts'

const scalar = (value: string): SourceScalar => ({ is: 'scalar', value, place: { file: 'x.yaml', line: 1, column: 1 }, inset: 0 })

const word = fc.constantFrom(
  ...[
    '${',
    '}',
    '$',
    '$$',
    '.',
    ' ',
    'vars',
    'facts',
    'host',
    'item',
    'options',
    'role',
    'a',
    'HOME',
    '|',
    '[',
    "'",
    '"',
    '==',
    '!=',
    'not',
    'and',
    'or',
    '\n',
    '•',
    '__proto__',
    'constructor',
    '1',
    'true',
    '\0',
  ],
)
const hostile = fc.array(word, { maxLength: 12 }).map((words) => words.join(''))

/** What is a reference, or a mistake in one, without the escape. */
const ESCAPABLE = /^(vars|facts|host|item|options|role)$|^\s*(vars|facts|host|item|options|role)\s*[.[|]|^[A-Za-z_][\w-]*(\.[\w-]+)+$/

test('every text is text, references and problems: nothing is lost, and nothing is added', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const problems: Problem[] = []
      const pieces = piecesOf(scalar(text), { roots: ROOTS, problems })
      for (const { where } of problems)
        expect(where).toMatchObject({ file: 'x.yaml', line: expect.any(Number), column: expect.any(Number) })
      if (problems.length > 0) return
      const shown = pieces.map((piece) => (isReference(piece) ? referenceText(piece) : piece)).join('')
      expect(shown).toBe(text.replaceAll(/\$\$\{([^}]*)\}/g, (whole, inside: string) => (ESCAPABLE.test(inside) ? whole.slice(1) : whole)))
    }),
    { numRuns: 3000 },
  )
})

test('every condition is read or refused', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const problems: Problem[] = []
      const condition = conditionOf(scalar(text), { roots: ROOTS, problems })
      expect(condition === undefined).toBe(problems.length > 0)
      for (const { reference } of condition?.terms ?? []) expect(ROOTS).toContain(reference.root)
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['${vars.a}', 1, 1],
  ['x ${vars.a}', 1, 3],
])('a reference of %s is at %d:%d', (text, line, column) => {
  const [piece] = piecesOf(scalar(text), { roots: ROOTS, problems: [] }).filter(isReference)
  expect(piece?.place).toMatchObject({ line, column })
})

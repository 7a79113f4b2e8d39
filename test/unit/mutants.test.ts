import { describe, expect, it } from 'vitest'
import { mutantsOf } from '../../scripts/mutants/mutations.ts'
import { instrument, placeAt, placesOf } from '../../scripts/mutants/reach.ts'

const mutated = (source: string): readonly string[] =>
  mutantsOf('a.ts', source).map(({ start, end, replacement }) => source.slice(0, start) + replacement + source.slice(end))

describe('mutants of code', () => {
  it.each([
    ['a === b', ['a !== b']],
    ['a && b', ['a || b']],
    ['a ? b : c', ['true ? b : c', 'false ? b : c']],
    ['f(!a)', ['void 0', 'f(a)']],
    ['const a = 1', ['const a = 2']],
    ['const a = 5_000', ['const a = 0']],
    ['const a = { b: undefined }', []],
    ['const a = [b, c]', ['const a = [...[], c]', 'const a = [b, ...[]]']],
    ['const a = { b: c }', ['const a = { ...{} }']],
    ['const a = b.filter(c).some(d)', ['const a = b.some(d)', 'const a = b.filter(c).every(d)']],
    ['const a = b.toString()', []],
    ['const a = /^b$/', ['const a = /b$/', 'const a = /^b/']],
  ])('%s', (source, expected) => {
    expect(mutated(source)).toEqual(expected)
  })

  it('leave types, imports and messages unchanged', () => {
    const source = `import a from 'a b=1'; type B = true; const c: 1 | 2 = d; problem({ what: 'no -x', why: f ? 'g' : 'h' })`
    expect(mutated(source)).toEqual([`import a from 'a b=1'; type B = true; const c: 1 | 2 = d; void 0`])
  })
})

describe('mutants of generated text', () => {
  it('leave out each line and each option', () => {
    const b = '$' + '{b}'
    expect(mutated(`const a = sh\`# why\nusermod -a ${b}\ntrue || false\n\``)).toEqual([
      `const a = sh\`# why\nusermod  ${b}\ntrue || false\n\``,
      `const a = sh\`# why\nusermod -a ${b}\n\n\``,
      `const a = sh\`# why\nusermod -a ${b}\ntrue && false\n\``,
    ])
  })

  it('keep the values between', () => {
    const b = '$' + '{b}'
    expect(mutated(`const a = \`x=1 -y ${b}=2 -c ${b}\``)).toEqual([
      `const a = \` -y ${b}=2 -c ${b}\``,
      `const a = \`x=1  ${b}=2 -c ${b}\``,
      `const a = \`x=1 -y ${b} -c ${b}\``,
      `const a = \`x=1 -y ${b}=2  ${b}\``,
    ])
  })

  it('leave the description of a unit unchanged', () => {
    expect(mutated('const a = `Description=A check=5\nAfter=b c\n`')).toEqual([
      'const a = `Description=A check=5\n c\n`',
      'const a = `Description=A check=5\n\n`',
    ])
  })

  it('leave a line that is read raw unchanged', () => {
    expect(mutated("const a = 'read -r line'")).toEqual([])
  })

  it('leave out a setting of a line', () => {
    expect(mutated(`const a = 'timeout client=30s'`)).toEqual([`const a = 'timeout '`])
  })
})

describe('the functions that a test calls', () => {
  it('are marked at their beginning', () => {
    const source = 'const a = (b) => b + 1; const c = () => ({ d: () => { return a(1) } })'
    const reached: string[] = []
    const run = new Function('globalThis', `${instrument('a.ts', source)}; return { a, c }`)
    const { a, c } = run({ reached: (place: string) => reached.push(place) })
    expect(reached).toEqual(['a.ts:0'])
    expect(a(1)).toBe(2)
    expect(c().d()).toBe(2)
    const places = placesOf('a.ts', source)
    const inner = placeAt(places, source.indexOf('return'))?.id ?? ''
    expect(reached).toContain(inner)
    expect(new Set(reached).size).toBe(4)
  })
})

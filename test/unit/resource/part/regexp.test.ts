import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { regexpOf } from '../../../../src/resource/part/regexp/regexp.ts'

const groupsOf = (source: string, text: string): readonly (string | undefined)[] | undefined => regexpOf(source).match(text)?.groups
const native = (source: string, text: string): readonly (string | undefined)[] | undefined => {
  const found = new RegExp(source, 'u').exec(text)
  return found === null ? undefined : [...found]
}

describe('a regular expression', () => {
  it.each([
    [String.raw`^#?\s*PermitRootLogin\b.*$`, '#PermitRootLogin yes'],
    [String.raw`^(\w+)\s*=\s*(.*?)\s*$`, 'memory_limit =  128M '],
    ['a{2,3}?b{0,2}(c|d){2}', 'xaaabcd'],
    ['(?:a|ab)(c|bcd)(d*)', 'abcd'],
    [String.raw`[^\]\-a-f\d]+`, 'abc-]09xyz'],
    [String.raw`\Bb\b|\x41é`, 'ab Aé'],
    ['(a|b)*c|(d)', 'ababc'],
    ['x*', 'yyy'],
    ['^$', ''],
    ['(?:)|a', 'a'],
    ['[a\\-]+', 'b-a-'],
    [String.raw`\u00e9+\.`, 'éé.'],
    ['😀.', 'a😀b'],
  ])('%s matches as that of JavaScript', (source, text) => {
    expect(groupsOf(source, text)).toEqual(native(source, text))
  })

  it('finds what that of JavaScript finds, in every pattern and text', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\W', '\\b', '^', '$', ' ')
    const { node } = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        atom,
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => `${a}${b}`),
        fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(?:${a}|${b})`),
        tie('node').map((a) => `(${a})`),
        // What repeats consumes a character: JavaScript ends a loop that consumes none in its own way.
        fc.tuple(tie('node'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{0,}?', '*?', '+?', '??')).map(([a, q]) => `(?:a${a})${q}`),
      ),
    }))
    fc.assert(
      fc.property(node, fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'c'), maxLength: 8 }), (source, text) => {
        expect(groupsOf(source, text)?.[0]).toEqual(native(source, text)?.[0])
      }),
      { numRuns: 2000 },
    )
  })

  it('ignores case, and has names, as in Python', () => {
    expect(groupsOf('(?i)^port [A-C]é$', 'PORT bÉ')).toEqual(['PORT bÉ'])
    expect(groupsOf('(?i)[^x]', 'X')).toBeUndefined()
    const { named } = regexpOf('(?P<key>a+)(?<rest>z)?').match('caa') ?? {}
    expect(named).toEqual(
      new Map([
        ['key', 'aa'],
        ['rest', undefined],
      ]),
    )
  })

  it('takes linear time for patterns that make others backtrack', () => {
    const started = performance.now()
    expect(groupsOf('^(a+)+$', `${'a'.repeat(5000)}b`)).toBeUndefined()
    expect(groupsOf('(a?){50}a{50}', 'a'.repeat(50))?.[0]).toBe('a'.repeat(50))
    expect(groupsOf('(.*)(.*)(.*)(.*)(.*)x$', 'a'.repeat(2000))).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(3000)
  })

  it.each([
    ['(a', 'an unmatched ('],
    ['a)', 'an unmatched )'],
    ['*a', 'a repetition of nothing'],
    ['a**', 'a repetition of nothing'],
    ['^*', 'a repetition of nothing'],
    ['a{,2}', 'an unescaped {'],
    ['a{3,2}', 'numbers out of order in {}'],
    ['a{300}', 'more than 255 repetitions'],
    ['((a{99}){99}){99}', 'too many repetitions'],
    ['[b-a]', 'a range out of order'],
    ['[a', 'an incomplete expression'],
    ['[]', 'an empty class; write \\] for the bracket'],
    ['[[:space:]]', 'a class of POSIX; write \\s, \\d or \\w'],
    ['a\\', 'an incomplete expression'],
    ['\\x4', 'an incomplete \\x'],
    ['\\Aa', 'an unknown escape \\A'],
    ['(?!#)a', 'a lookaround, which cannot be matched in linear time'],
    ['(?<=#)a', 'a lookaround, which cannot be matched in linear time'],
    ['(a)\\1', 'a backreference, which cannot be matched in linear time'],
    ['a(?i)b', 'an unknown kind of group; (?i) is only known at the beginning'],
    ['(?<a>a)(?<a>b)', 'an invalid or repeated name of a group: a'],
    ['('.repeat(101), 'too many nested groups'],
  ])('%s is refused', (source, why) => {
    expect(() => regexpOf(source)).toThrow(why)
  })
})

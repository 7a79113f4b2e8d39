import { describe, expect, it } from 'vitest'
import { listed } from './samples.ts'

/** Values that an option can have by mistake or on purpose. */
const STRANGE: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 2 ** 53, 1e308, Number.NaN, Number.POSITIVE_INFINITY],
  ...['', ' ', '*', '(', '[', '{', '\\', '%s', '..', '/', '//', '-x', '0', 'a\nb', 'a\rb', '\u202ea', '\ud800', 'x'.repeat(100_000)],
  ...[[], [null], [[]], ['a\nb'], {}, { a: 1 }, { 'a\nb': 'c' }],
]

/** Names of the options, also of those that the sample leaves out. */
const optionsOf = (schema: unknown, sample: object): readonly string[] => {
  const found = new Set(Object.keys(sample))
  const visit = (one: unknown): void => {
    if (typeof one !== 'object' || one === null) return
    const { shape, def } = one as { readonly shape?: object; readonly def?: { readonly in?: unknown; readonly innerType?: unknown } }
    for (const name of Object.keys(shape ?? {})) found.add(name)
    visit(def?.in ?? def?.innerType)
  }
  visit(schema)
  return [...found]
}

// An option that is refused is a problem with its place; one that throws would be reported as a defect of provision.
describe.each(listed)('strange options of $name', ({ kind, sample }) => {
  it.each(optionsOf(kind.schema, sample.options(0)))('%s is refused, or can be observed', (option) => {
    for (const value of STRANGE) {
      const read = (): unknown => {
        const checked = kind.schema.safeParse({ ...sample.options(0), [option]: value })
        return checked.success ? [kind.id(checked.data), kind.observe([checked.data])] : undefined
      }
      expect(read, `${option}: ${JSON.stringify(value)?.slice(0, 30)}`).not.toThrow()
    }
  })
})

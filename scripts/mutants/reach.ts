// Lists the test files that call each function: only these tests can detect a mutant in it.
import { type Node, parse, walk } from './mutations.ts'

/** Functions of a file; the first entry is the module itself. */
export interface Place {
  readonly id: string
  readonly start: number
  readonly end: number
}

export const placesOf = (file: string, source: string): readonly Place[] => {
  const places: Place[] = [{ id: `${file}:0`, start: 0, end: source.length }]
  for (const { body } of bodiesOf(file, source)) places.push({ id: `${file}:${body.start}`, start: body.start, end: body.end })
  return places
}

/** The innermost function around a position, or the module. */
export const placeAt = (places: readonly Place[], start: number): Place | undefined =>
  places.filter((one) => one.start <= start && start < one.end).sort((a, b) => a.end - a.start - (b.end - b.start))[0]

/** The source with a call of `globalThis.reached` at the beginning of the module and of each function. */
export const instrument = (file: string, source: string): string => {
  const marks = bodiesOf(file, source).flatMap(({ body, isBlock }) => {
    const reached = `globalThis.reached(${JSON.stringify(`${file}:${body.start}`)})`
    return isBlock
      ? [{ at: body.start + 1, text: `${reached};` }]
      : [
          { at: body.start, text: `(${reached}, ` },
          { at: body.end, text: ')' },
        ]
  })
  // Marks at the same place: the one that ends there comes first.
  const sorted = marks.map((mark, order) => ({ ...mark, order })).sort((a, b) => b.at - a.at || b.order - a.order)
  const text = sorted.reduce((all, { at, text }) => all.slice(0, at) + text + all.slice(at), source)
  return `globalThis.reached(${JSON.stringify(`${file}:0`)});${text}`
}

const bodiesOf = (file: string, source: string): readonly { readonly body: Node; readonly isBlock: boolean }[] => {
  const bodies: { body: Node; isBlock: boolean }[] = []
  walk(parse(file, source), (node) => {
    if (/^(ArrowFunctionExpression|FunctionExpression|FunctionDeclaration)$/.test(node.type) && node.body !== null) {
      const body = node.body as Node
      bodies.push({ body, isBlock: body.type === 'BlockStatement' })
    }
  })
  return bodies
}

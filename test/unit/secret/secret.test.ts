import { describe, expect, it } from 'vitest'
import { masked, Secret, secretsIn } from '../../../src/secret/secret.ts'

describe('the secrets of a host', () => {
  it('are found in nested lists and objects, also in cyclic ones', () => {
    const [a, b] = [new Secret('a'), new Secret('b')]
    const loop: Record<string, unknown> = { parts: ['x', a, { deep: [b] }], bytes: new Uint8Array(3), get: () => 'c' }
    loop.self = loop
    expect(secretsIn([loop, a])).toEqual([a, b])
  })

  it.each([
    ['whole', 'hunter22', 'unknown directive "hunter22"', 'unknown directive "•••"'],
    ['more than once', 'hunter22', 'hunter22, hunter22', '•••, •••'],
    ['without its last line end', 'hunter22\n', '[hunter22]', '[•••]'],
    ['a line of many', '-----BEGIN\nc2VjcmV0\n-----END', 'bad line c2VjcmV0', 'bad line •••'],
    ['not an empty one', '', 'as it was', 'as it was'],
  ])('are masked in its output: %s', (_, secret, output, shown) => {
    expect(masked(output, [new Secret(secret)])).toBe(shown)
  })
})

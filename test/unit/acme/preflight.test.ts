import { expect, it } from 'vitest'
import { preflight } from '../../../src/acme/preflight.ts'

it('accepts a name that does not resolve from here', async () => {
  expect(await preflight(['www.example.invalid'], 'thumbprint')).toEqual([])
})

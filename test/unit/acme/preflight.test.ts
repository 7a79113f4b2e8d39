import { expect, it } from 'vitest'
import { preflight } from '../../../src/acme/preflight.ts'

it('takes a name that does not resolve from here for no proof against it', async () => {
  expect(await preflight(['www.example.invalid'], 'thumbprint')).toEqual([])
})

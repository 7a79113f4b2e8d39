import { expect, test } from 'vitest'
import { changeWithKey, withKey } from '../../../src/engine/by-key.ts'
import { file } from '../../../src/resource/file/file.ts'
import type { Resource } from '../../../src/resource/kind/kind.ts'

test('an entry is found by its key, the first of several', () => {
  const [one, two] = [file({ path: '/a', content: '1' }), file({ path: '/a', content: '2' })]
  const list = [{ resource: one }, { resource: two }]
  expect(withKey(list, 'file:/a')?.resource).toBe(one)
  expect(withKey(list, 'file:/b')).toBeUndefined()
  expect(changeWithKey([{ resource: 'file:/a', n: 1 }], 'file:/a')).toEqual({ resource: 'file:/a', n: 1 })
})

test('the work to find every resource of a host grows with their number, and not faster', () => {
  const readsFor = (n: number): number => {
    let reads = 0
    const list = Array.from({ length: n }, (_, i) => {
      const resource = file({ path: `/srv/${i}`, content: 'x' })
      const counting = { ...resource }
      Object.defineProperty(counting, 'id', {
        get: () => {
          reads += 1
          return resource.id
        },
      })
      return { resource: counting as Resource }
    })
    for (let i = 0; i < n; i += 1) expect(withKey(list, `file:/srv/${i}`)).toBe(list[i])
    return reads
  }
  expect(readsFor(200)).toBeLessThanOrEqual(10 * readsFor(20))
})

import { expect, it } from 'vitest'
import operator from '../../../roles/operator/role.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'
const resources = (options: object) =>
  operator.resources({ options: operator.options.parse(options) } as Parameters<typeof operator.resources>[0])

it('brings an account that only its keys open, and the right to become root', () => {
  const found = resources({ name: 'boss', keys: [KEY] })
  expect(found.map(({ kind, id }) => `${kind.name}:${id}`)).toEqual([
    'package:sudo',
    'user:boss',
    'authorized-keys:boss',
    'file:/etc/sudoers.d/provision-boss',
  ])
  expect(found[1]?.spec).toMatchObject({ password: 'locked', shell: '/bin/bash' })
  expect(found[3]?.spec).toMatchObject({ mode: '440', state: 'present' })
})

it('takes the right to become root away again', () => {
  expect(resources({ keys: [KEY], sudo: 'none' }).at(-1)?.spec).toMatchObject({ path: '/etc/sudoers.d/provision-ops', state: 'absent' })
})

it.each([{ keys: [] }, { name: 'ALL', keys: [KEY] }, { name: 'a\nroot', keys: [KEY] }])('refuses %j', (options) => {
  expect(operator.options.safeParse(options).success).toBe(false)
})

import { container, defineRole, listensOf, z } from 'provision'
import { planRole } from 'provision/testing'
import { expect, it } from 'vitest'

const made = () =>
  container({
    name: 'shop',
    image: 'docker.io/library/nginx:1.27',
    ports: [{ port: 8080, from: ['anyone'], why: 'the shop' }, { port: 81 }],
  })

it('a role in TypeScript declares what its containers publish', () => {
  expect(listensOf(made())).toEqual([{ service: 'shop', port: 8080, protocol: 'tcp', from: ['anyone'], forwarded: true, why: 'the shop' }])
  const role = defineRole({
    name: 'shop',
    summary: 's',
    options: z.strictObject({}),
    listens: () => listensOf(made()),
    resources: () => made(),
  })
  // The declaration is accepted: the plan only lacks what the host would report.
  expect(() => planRole(role)).toThrow(/^state of quadlet:shop.container is not known/)
})

it('a role that publishes more than it declares is refused', () => {
  const role = defineRole({ name: 'shop', summary: 's', options: z.strictObject({}), resources: () => made() })
  expect(() => planRole(role)).toThrow(
    /quadlet:shop.container: 8080\/tcp is published with `from`, but `listens` of the role does not declare it/,
  )
})

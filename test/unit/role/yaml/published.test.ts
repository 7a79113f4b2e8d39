// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { expect, it } from 'vitest'
import firewall from '../../../../roles/firewall/role.ts'
import type { Flow } from '../../../../src/role/role.ts'
import { flowsOf, problemsOf } from './declared.ts'

const INVENTORY = `vars:
  user: ops
  firewall: { administrators: [office], sets: { office: [192.0.2.0/24], partners: [198.51.100.0/24, '2001:db8:7::/48'] } }
  shops: [{ name: one, port: 8081 }, { name: two, port: 8082 }]
groups:
  balancers: { hosts: [lb-01] }
hosts:
  web-01: { address: 10.0.0.11 }
  lb-01: { address: 10.0.0.2 }
`

const playOf = (list: string): string => `- name: firewalls
  hosts: web-01
  roles: [firewall]
- name: shop
  hosts: web-01
  resources:
${list.replaceAll(/^(?=.)/gm, '    ')}`

const given = { inventory: INVENTORY, roles: [firewall] }
const published = async (list: string): Promise<readonly Partial<Flow>[]> =>
  (await flowsOf(playOf(list), given)).filter(({ role }) => role !== 'firewall')
const refused = (list: string): Promise<readonly string[]> => problemsOf(() => flowsOf(playOf(list), given))

it('ports of a container are flows only with peers', async () => {
  expect(
    await published(`- container:
    name: shop
    image: docker.io/library/nginx:1.27
    environment: { CPUS: "\${facts.cpus}" }
    ports:
      - { port: 8080, to: 80, from: [balancers, partners], why: the shop }
      - { port: 9000 }
      - { port: 53, protocol: udp, from: [anyone], address: 0.0.0.0 }
`),
  ).toEqual([
    {
      ...{ host: 'web-01', role: 'shop', service: 'shop', port: 8080, protocol: 'tcp', forwarded: true, why: 'the shop', encrypted: false },
      from: [
        { name: 'lb-01', addresses: ['10.0.0.2'] },
        { name: 'partners', addresses: ['198.51.100.0/24', '2001:db8:7::/48'] },
      ],
    },
    {
      ...{ host: 'web-01', role: 'shop', service: 'shop', port: 53, protocol: 'udp', forwarded: true, encrypted: false },
      from: 'anyone',
    },
  ])
})

it('conditions and lists are evaluated; a condition about facts counts as true', async () => {
  const container = (rest: string) => `  container:
    name: "\${item.name}"
    image: docker.io/library/nginx:1.27
    ports: [{ port: "\${item.port}", from: [anyone] }]
${rest}`
  expect((await published(`- each: \${vars.shops}\n${container('')}`)).map(({ service, port }) => `${service} ${port}`)).toEqual([
    'one 8081',
    'two 8082',
  ])
  expect((await published(`- each: \${vars.shops}\n${container('  if: ${item.port} == 8082\n')}`)).length).toBe(1)
  expect((await published(`- each: \${vars.shops}\n${container('  if: ${facts.cpus} == 8082\n')}`)).length).toBe(2)
})

it('a Quadlet names the ports of its content, unless it is absent', async () => {
  const pod = (state: string) => `- quadlet: { name: shop.pod, content: "[Pod]\\n", ports: [{ port: 8080, from: [10.0.0.0/8] }]${state} }\n`
  expect(await published(pod(''))).toMatchObject([{ service: 'shop', port: 8080, forwarded: true, from: [{ name: '10.0.0.0/8' }] }])
  expect(await published(pod(', state: absent'))).toEqual([])
})

it('ports that depend on facts are refused where they are written', async () => {
  const depending = (ports: string) => `- container:
    name: shop
    image: docker.io/library/nginx:1.27
    ports: ${ports}
`
  expect(await refused(depending('[{ port: "${facts.cpus}", from: [anyone] }]'))).toEqual([
    '10:9 published ports of this container depend on facts (the firewall must know the ports before any host is contacted) → use variables of the inventory in `each`, `name` and `ports` instead of facts',
  ])
  expect(await refused(depending('[{ port: 80, to: "${facts.cpus}" }]'))).toEqual([])
  expect((await refused(depending('[{ port: 80, from: [nobody] }]'))).join()).toMatch(
    /^10:\d\d role shop on web-01: shop on 80\/tcp names the group nobody, which has no hosts .*available: all, balancers, office, partners/,
  )
  expect((await refused(depending('[{ port: 80, from: [ofice] }]'))).join()).toMatch(/→ did you mean `office`\?/)
})

it('a role in YAML publishes what its options say', async () => {
  const role = `summary: a shop
options: { port: 8080, from: [anyone] }
resources:
  - container:
      name: shop
      image: docker.io/library/nginx:1.27
      ports: [{ port: "\${options.port}", from: "\${options.from}" }]
`
  const playbook = `- name: shops
  hosts: web-01
  roles: [{ shop: { port: 9090 } }]
`
  const flows = await flowsOf(playbook, { inventory: INVENTORY.replace(/ {2}firewall.*\n/, ''), files: { 'roles/shop/role.yaml': role } })
  expect(flows).toMatchObject([{ role: 'shop', service: 'shop', port: 9090, from: 'anyone', forwarded: true }])
})

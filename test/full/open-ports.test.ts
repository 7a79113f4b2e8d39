import { afterAll, beforeAll, expect, it } from 'vitest'
import { installCommand } from '../e2e/support/install-command.ts'
import { down, up } from '../e2e/support/lab.ts'
import { answering } from '../e2e/support/network/nmap.ts'
import { permits, siteWithOutsider } from '../e2e/support/network/outsider.ts'

const { project, spec, hosts, sources, address, flows } = siteWithOutsider('t-full', '10.79.11')

beforeAll(async () => {
  installCommand('nmap')
  await up(spec)
  expect(project.provision('run').status).toBe(0)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

it.each([4, 6] as const)(
  'an outsider reaches only the ports that are open to anyone, of all 65535 of every host, over IPv%i',
  async (family) => {
    const outsider = sources.find(({ name }) => name === 'outsider')
    if (outsider === undefined) throw new Error('there is no outsider')
    const found = await answering({
      from: await outsider.process(),
      addresses: hosts.map((host) => address(host, family)),
      ports: '-',
      protocol: 'tcp',
    })
    const seen = hosts.map((host) => [host, found.get(address(host, family))])
    const permitted = flows()
      .filter((flow) => flow.protocol === 'tcp' && permits(flow, outsider, family))
      .sort((a, b) => a.port - b.port)
    expect(permitted.length).toBeGreaterThan(0)
    expect(seen).toEqual(hosts.map((host) => [host, permitted.filter((flow) => flow.host === host).map(({ port }) => `${port}/tcp open`)]))
  },
)

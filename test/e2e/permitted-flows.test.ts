import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installCommand } from './support/install-command.ts'
import { down, up } from './support/lab.ts'
import { answering } from './support/network/nmap.ts'
import { type Family, type PrintedFlow, permits, siteWithOutsider } from './support/network/outsider.ts'

const { project, spec, hosts, sources, address, flows } = siteWithOutsider('t-flows', '10.79.35')

/** Nothing listens on these ports: the host itself refuses permitted peers, and others get no answer. */
const SYSLOG = `import { defineRole, z } from 'provision'

export default defineRole({
  name: 'syslog',
  summary: 'lets the web servers send their logs',
  options: z.strictObject({}),
  listens: () => [
    { service: 'syslog', port: 514, protocol: 'udp', from: [{ group: 'web' }] },
    { service: 'syslog-tls', port: 6514, protocol: 'tcp', from: [{ group: 'web' }] },
  ],
  resources: () => [],
})
`

/** Ports that a faulty firewall could open: other ports of the site's daemons, common ports, and the ends of the range. */
const OTHERS = {
  tcp: [
    1, 21, 23, 25, 53, 81, 111, 139, 179, 389, 445, 514, 631, 873, 1024, 2049, 3142, 3306, 4567, 5432, 6379, 8404, 8405, 8443, 9090, 9093,
    9100, 9104, 11211, 33060, 49152, 65535,
  ],
  udp: [1, 53, 67, 68, 69, 80, 111, 123, 161, 443, 500, 546, 547, 1900, 5353, 5355, 6514, 65535],
} as const

let printed: readonly PrintedFlow[] = []

beforeAll(async () => {
  installCommand('nmap')
  project.write('roles/syslog.ts', SYSLOG)
  appendFileSync(join(project.root, 'playbooks/site.yaml'), '\n- hosts: monitoring_servers\n  roles: [syslog]\n')
  await up(spec)
  const run = project.provision('run')
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  printed = flows()
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

/** Expected result of nmap if exactly the printed flows are permitted. */
const expected = (source: (typeof sources)[number], host: string, protocol: 'tcp' | 'udp', family: Family): readonly string[] =>
  printed
    .filter((flow) => flow.host === host && flow.protocol === protocol && permits(flow, source, family))
    .sort((a, b) => a.port - b.port)
    .map(({ port, role }) => `${port}/${protocol} ${role === 'syslog' ? 'closed' : 'open'}`)

describe.each(sources.map((source) => [source.name, source] as const))('from %s', (name, source) => {
  it.each([
    ['tcp', 4],
    ['tcp', 6],
    ['udp', 4],
    ['udp', 6],
  ] as const)('exactly the permitted flows are open: %s over IPv%i', async (protocol, family) => {
    const targets = hosts.filter((host) => host !== name)
    const declared = printed.filter((flow) => flow.protocol === protocol).map(({ port }) => port)
    const found = await answering({
      from: await source.process(),
      addresses: targets.map((host) => address(host, family)),
      ports: [...new Set([...declared, ...OTHERS[protocol]])].join(),
      protocol,
    })
    const seen = Object.fromEntries(targets.map((host) => [host, found.get(address(host, family))]))
    expect(seen).toEqual(Object.fromEntries(targets.map((host) => [host, expected(source, host, protocol, family)])))
  })
})

it('the flows are those of the site, so that the scans above had something to find', () => {
  expect(printed.map(({ host, port, protocol, role }) => `${host} ${port}/${protocol} ${role}`)).toEqual(
    expect.arrayContaining(['lb-01 22/tcp firewall', 'lb-01 443/tcp haproxy-tls', 'web-02 8443/tcp nginx', 'lb-01 514/udp syslog']),
  )
})

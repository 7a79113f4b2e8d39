import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'
import { OWNED_UNITS, ownedIn, undocumented } from '../e2e/support/unit-exposure.ts'

// The kernel of a lab may have no WireGuard, so its hosts run wireguard-go. Its packets and its configuration are the same.
const SUBNET = '10.79.67'
const HOSTS = ['web-01', 'web-02', 'web-03']
const project = referenceProject('t-mesh', SUBNET)
const spec = {
  name: project.lab,
  root: project.root,
  hosts: HOSTS.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}

const site = (members: readonly string[], more = ''): void => {
  const files = `.provision/lab/${project.lab}`
  project.write('playbooks/site.yaml', `- { hosts: all, roles: [firewall] }\n- { hosts: mesh, roles: [wireguard] }\n`)
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: ${files}/id_ed25519
  known_hosts: ${files}/known_hosts
  firewall: { administrators: [${SUBNET}.1] }
  wireguard: { network: 10.80.67.0/24, userspace: true${more} }
hosts:
${HOSTS.map((name, i) => `  ${name}: { address: ${SUBNET}.${11 + i}, internal: 10.80.67.${11 + i}, public: ${SUBNET}.${11 + i} }\n`).join('')}groups:
  mesh: { hosts: [${members.join(', ')}] }
`,
  )
}
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied').toSorted(), planned: changes(lines, 'planned').toSorted() }
}
const ping = (from: string, to: string): Promise<string> =>
  inside(spec, from, `ping -n -q -c 1 -W 2 -I wg0 ${to} >/dev/null 2>&1 && echo answers || echo silent`)

beforeAll(async () => {
  site(HOSTS.slice(0, 2))
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

describe('a mesh', () => {
  it('comes up from bare hosts as predicted, passes verify, and a second run finds nothing to do', async () => {
    const { planned } = run('--dry-run')
    expect(planned).toEqual(expect.arrayContaining(['web-01 create wireguard:wg0', 'web-02 create wireguard:wg0']))
    expect(run()).toMatchObject({ status: 0, stderr: '', applied: planned })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
    expect(await ping('web-01', '10.80.67.12')).toBe('answers\n')
  })

  it('sends only encrypted packets between its hosts', async () => {
    const rules = ['icmp type echo-request counter', 'udp dport 51820 counter'].map(
      (rule) => `nft add rule inet probe input iifname != wg0 ${rule}`,
    )
    await inside(
      spec,
      'web-02',
      `nft 'add table inet probe { chain input { type filter hook input priority -300; }; }'; ${rules.join('; ')}`,
    )
    await inside(spec, 'web-01', 'ping -n -q -c 5 -i 0.2 -W 2 10.80.67.12')
    const counted = await inside(spec, 'web-02', 'nft list table inet probe | grep -o "packets [0-9]*"; nft delete table inet probe')
    const [plain, encrypted] = counted.match(/\d+/g)?.map(Number) ?? []
    expect(plain).toBe(0)
    expect(encrypted).toBeGreaterThanOrEqual(5)
  })

  it('keeps private keys from accounts, and sandboxes its unit as documented', async () => {
    expect(await inside(spec, 'web-01', 'stat -c "%a %U" /etc/wireguard /etc/wireguard/wg0.key')).toBe('700 root\n600 root\n')
    const owned = ownedIn(await inside(spec, 'web-01', OWNED_UNITS))
    expect(undocumented(owned.filter(({ role }) => role === 'wireguard'))).toEqual([])
  })

  it('heals a peer that somebody changed by hand, exactly as planned', async () => {
    await inside(
      spec,
      'web-01',
      "sed -i 's/^AllowedIPs.*/AllowedIPs = 10.99.0.1\\/32/' /etc/wireguard/wg0.peers; systemctl reload provision-wireguard",
    )
    expect(await ping('web-01', '10.80.67.12')).toBe('silent\n')
    expect(project.provision('verify').status).toBe(1)
    expect(run()).toMatchObject({ status: 0, applied: ['web-01 update wireguard:wg0'] })
    expect(await ping('web-01', '10.80.67.12')).toBe('answers\n')
  })

  it('accepts a new member without a pause for the others', async () => {
    site(HOSTS)
    const watched = inside(spec, 'web-01', 'ping -n -q -i 0.2 -w 40 -I wg0 10.80.67.12 | grep loss')
    const { planned } = run('--dry-run')
    expect(planned).toEqual(
      expect.arrayContaining(['web-01 update wireguard:wg0', 'web-02 update wireguard:wg0', 'web-03 create wireguard:wg0']),
    )
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(await ping('web-03', '10.80.67.11')).toBe('answers\n')
    expect(await ping('web-02', '10.80.67.13')).toBe('answers\n')
    expect(await watched).toMatch(/ 0% packet loss/)
  })

  it('works again after a restart of the program', async () => {
    await inside(spec, 'web-01', 'systemctl kill -s KILL provision-wireguard; sleep 3; systemctl is-active provision-wireguard')
    // The other one asks for a new session after 15 s without an answer.
    const again = 'for i in $(seq 20); do ! ping -n -q -c 1 -W 2 -I wg0 10.80.67.11 >/dev/null 2>&1 || break; done'
    await inside(spec, 'web-02', again)
    expect(await ping('web-02', '10.80.67.11')).toBe('answers\n')
  })

  it('removes a member: the others refuse its packets', async () => {
    site(HOSTS.slice(0, 2))
    const { planned } = run('--dry-run')
    expect(planned).toEqual(expect.arrayContaining(['web-01 update wireguard:wg0', 'web-02 update wireguard:wg0']))
    expect(run()).toMatchObject({ status: 0 })
    expect(await ping('web-03', '10.80.67.11')).toBe('silent\n')
    expect(await ping('web-01', '10.80.67.12')).toBe('answers\n')
    expect(await inside(spec, 'web-01', 'wg show wg0 peers | wc -l')).toBe('1\n')
  })
})

import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { reboot } from '../../src/lab/index.ts'
import { inside } from './support/interrupt.ts'
import { down, referenceLab, up } from './support/lab.ts'
import { referenceProject } from './support/project.ts'

const [SUBNET, HOST] = ['10.79.71', 'web-01']
const project = referenceProject('t-neighbours', SUBNET)
const reference = referenceLab(project, SUBNET)
const spec = { ...reference, hosts: reference.hosts.filter(({ name }) => name === HOST) }
const on = (script: string): Promise<string> => inside(spec, HOST, script)

const INVENTORY = `vars:
  user: ops
  key: .provision/lab/t-neighbours/id_ed25519
  known_hosts: .provision/lab/t-neighbours/known_hosts
  firewall: { administrators: [${SUBNET}.1, 'fd71::1'], confirm_seconds: 6 }
hosts:
  ${HOST}: { address: ${SUBNET}.12 }
`
const GIT = `import { defineRole, z } from 'provision'

export default defineRole({
  name: 'git',
  summary: 'lets anyone come to a repository',
  options: z.strictObject({}),
  listens: () => [{ service: 'git', port: 2222, protocol: 'tcp', from: ['anyone'] }],
  resources: () => [],
})
`

beforeAll(async () => {
  project.write('inventory/site.yaml', INVENTORY)
  project.write('playbooks/site.yaml', '- hosts: all\n  roles: [firewall]\n')
  project.write('playbooks/git.yaml', '- hosts: all\n  roles: [firewall, git]\n')
  project.write('roles/git.ts', GIT)
  await up(spec)
  const run = project.provision('run')
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

const inForce = (): Promise<string> => on('nft -s list table inet provision 2>&1 || true')

it.each([
  ['started', 'systemctl start nftables'],
  ['restarted', 'systemctl restart nftables'],
  ['reloaded', 'systemctl reload nftables'],
  ['upgraded with its package', 'systemctl try-restart nftables'],
  ['stopped', 'systemctl stop nftables'],
])("outlives that the distribution's own firewall is %s, which flushes everybody's rules", async (_, act) => {
  const before = await inForce()
  expect(before).toContain('policy drop')
  await on(`nft add table inet stranger; ${act}`)
  expect(await on('nft list tables')).not.toContain('stranger')
  expect(await inForce()).toBe(before)
  expect(project.json('run', '--dry-run').status).toBe(0)
})

/** Whether a datagram from this machine reaches a port of the host without a listener: the host then refuses it. */
const refuses = (own: string, ownPort: number, address: string, port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const settle = (answer: boolean) => (): void => {
      clearTimeout(timer)
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(settle(false), 700)
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? settle(true)() : reject(error)))
    socket.bind(ownPort, own, () => socket.connect(port, address, () => socket.send('?')))
  })

it('accepts replies of DHCP and DHCPv6, which connection tracking does not recognise, and nothing else on those ports', async () => {
  const [bridge = '', own = []] =
    Object.entries(networkInterfaces()).find(([, all]) => all?.some(({ address }) => address === `${SUBNET}.1`)) ?? []
  const local = own.find(({ address }) => address.startsWith('fe80:'))?.address ?? ''
  const [, theirs = ''] = /inet6 (fe80:[0-9a-f:]+)\//.exec(await on('ip -6 addr show dev eth0 scope link')) ?? []
  expect(await refuses(`${SUBNET}.1`, 67, `${SUBNET}.12`, 68)).toBe(true)
  expect(await refuses(`${local}%${bridge}`, 547, `${theirs}%${bridge}`, 546)).toBe(true)
  expect(await refuses(`${SUBNET}.1`, 1067, `${SUBNET}.12`, 68)).toBe(false)
  expect(await refuses('fd71::1', 547, 'fd71::12', 546)).toBe(false)
})

it('is active before the socket of sshd listens, also if loading is slow', async () => {
  const before = await inForce()
  await on(`mkdir -p /etc/systemd/system/provision-firewall.service.d
printf '[Service]\\nExecStartPre=/bin/sleep 2\\n' >/etc/systemd/system/provision-firewall.service.d/slow.conf
systemctl disable -q ssh.service; systemctl enable -q ssh.socket nftables.service`)
  await reboot(spec, HOST)
  const [loaded = 0, listened = 0] = (await on('systemctl show -P ActiveEnterTimestampMonotonic provision-firewall ssh.socket'))
    .trim()
    .split(/\s+/)
    .map(Number)
  expect(loaded).toBeGreaterThan(0)
  expect(loaded).toBeLessThan(listened)
  expect(await inForce()).toBe(before)
  await on('rm -r /etc/systemd/system/provision-firewall.service.d; systemctl daemon-reload')
})

it('opens the ports on which sshd listens, and to no other peers through another role', async () => {
  await on(
    "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/ports.conf; systemctl disable -q ssh.socket; systemctl enable -q ssh; systemctl stop ssh.socket; systemctl restart ssh",
  )
  const before = await inForce()
  const refused = project.provision('run', 'playbooks/git.yaml')
  expect(refused.stderr).toContain('port 2222/tcp for git is in use by sshd')
  expect(refused.status).toBe(1)
  expect(await inForce()).toBe(before)
  expect(project.provision('run').status).toBe(0)
  expect(await inForce()).toContain('tcp dport { 22, 2222 } ip saddr @administrators4')
})

import type { Facts } from './role.ts'

/** The type of a fact, and its description. */
export interface FactInfo {
  readonly type: 'text' | 'number' | 'boolean' | 'list'
  readonly description: string
}

/** All facts of a host. */
export const FACTS: Readonly<Record<keyof Facts, FactInfo>> = {
  distribution: { type: 'text', description: '`debian` or `ubuntu`' },
  release: { type: 'text', description: 'version of the distribution: 13, 24.04' },
  codename: { type: 'text', description: 'codename of the release: trixie, noble' },
  architecture: { type: 'text', description: 'architecture of packages: amd64, arm64' },
  memoryMB: { type: 'number', description: 'memory in megabytes' },
  cpus: { type: 'number', description: 'number of processors' },
  hostname: { type: 'text', description: 'name that the host has for itself' },
  sshAddress: { type: 'text', description: 'address of sshd in the present connection' },
  sshPort: { type: 'number', description: 'port of sshd in the present connection' },
  sshPorts: { type: 'list', description: 'that port, and all others in the configuration of sshd' },
  clientAddress: { type: 'text', description: 'address of the client that the host sees; empty if it does not report it' },
  container: { type: 'boolean', description: 'the host is a container without its own kernel' },
  clock: { type: 'text', description: 'installed daemon that synchronizes the clock: timesyncd or chrony; missing if it is neither' },
  rsyslog: { type: 'boolean', description: 'rsyslog is installed' },
  networks: { type: 'list', description: 'networks with their interfaces: interface: eth0, network: 192.0.2.0/24' },
}

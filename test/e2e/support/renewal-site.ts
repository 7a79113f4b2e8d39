import type { LabSpec } from '../../../src/lab/index.ts'
import { installed } from './lab.ts'
import { type Project, referenceProject } from './project.ts'

/** A balancer and a web server, with a certificate that expires within minutes. */
export interface RenewalSite {
  readonly project: Project
  readonly lab: LabSpec
  /** Writes the inventory. `administrator` is an entry of the role base, or empty. */
  configure(administrator: string): void
  /** Returns the serial number of the certificate on the balancer. */
  serial(): string | undefined
}

/** Writes the site into a project of its own. The certificate lives for `certificateSeconds`. */
export const renewalSite = (name: string, subnet: string, certificateSeconds: number): RenewalSite => {
  const project = referenceProject(name, subnet)
  const hosts = ['lb-01', 'web-01'].map((host, i) => ({ name: host, user: 'ops', addresses: [`${subnet}.${11 + i}`] }))
  const configure = (administrator: string): void =>
    project.write(
      'inventory/site.yaml',
      `vars:
  user: ops
  sudo_password: \${secret:accounts.ops}
  key: .provision/lab/${name}/id_ed25519
  known_hosts: .provision/lab/${name}/known_hosts
  base: { updates: { enabled: false }, time: { service: none } }
hosts:
  lb-01: { address: ${subnet}.11 }
  web-01: { address: ${subnet}.12 }
groups:
  load_balancers:
    hosts: [lb-01]
    vars:
      base: { more_administrators: [${administrator}] }
      haproxy-tls:
        certificates: [{ names: [www.example.test] }]
        acme: { directory: 'https://${subnet}.1:14000/dir', ca_file: .provision/lab/${name}/authority.pem }
  web:
    hosts: [web-01]
    vars: { nginx: { content: playbooks/site } }
`,
    )
  configure('')
  // The account needs no password, so the value does not matter; like every real site, this one has secrets.
  project.write('inventory/secrets.yaml', 'accounts: { ops: a password of the site }\n')
  project.write(
    'playbooks/site.yaml',
    `- { name: balancers, hosts: load_balancers, roles: [base] }
- { name: web servers, hosts: web, roles: [nginx] }
- { name: balancer, hosts: load_balancers, roles: [haproxy-tls] }
`,
  )
  const encrypted = project.provision('secrets', 'encrypt')
  if (encrypted.status !== 0) throw new Error(encrypted.stderr)
  const words = ['openssl', 'x509', '-noout', '-serial', '-in', '/etc/ssl/haproxy/www.example.test.pem']
  return {
    project,
    lab: installed({ name, root: project.root, certificateSeconds, hosts }),
    configure,
    serial: () => project.provision('exec', 'lb-01', '--sudo', '--', ...words).stdout.match(/serial=(\w+)/)?.[1],
  }
}

import type { LabSpec } from '../../../src/lab/index.ts'
import { installed } from './lab.ts'
import { type Project, referenceProject } from './project.ts'

/** A site of three hosts with every shipped unit except that of a primary with replicas, and with files in a directory of an account. */
export const unitsSite = (lab: string, subnet: string, recipient: string): { readonly project: Project; readonly spec: LabSpec } => {
  const project = referenceProject(lab, subnet)
  const hosts = ['lb-01', 'web-01', 'web-02'].map((name, i) => ({ name, user: 'ops', addresses: [`${subnet}.${11 + i}`] }))
  project.write('playbooks/site.yaml', PLAYBOOK)
  project.write('roles/board.ts', BOARD)
  project.write('checks/board.sh', '#!/bin/sh\nexec test -d /srv/board\n')
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/${lab}/id_ed25519
  known_hosts: .provision/lab/${lab}/known_hosts
  firewall: { administrators: [${subnet}.1] }
  mysql: { backups: { recipients: [${recipient}] } }
  monitoring:
    interval_seconds: 5
    checks_seconds: 10
    dashboard: { users: { ann: sesame } }
    checks: [{ name: board, script: checks/board.sh, hosts: [web], summary: the board is closed }]
hosts:
${hosts.map(({ name, addresses }) => `  ${name}: { address: ${addresses[0]} }\n`).join('')}groups:
  load_balancers:
    hosts: [lb-01, web-02]
    vars:
      haproxy-tls:
        virtual_address: ${subnet}.100/24
        certificates: [{ names: [www.example.test] }]
        acme: { directory: 'https://${subnet}.1:14000/dir', ca_file: .provision/lab/${lab}/authority.pem }
  monitoring_servers: { hosts: [lb-01] }
  database_arbitrators: { hosts: [lb-01] }
  web:
    hosts: [web-01, web-02]
    vars:
      nginx:
        sites:
          - { name: www, hosts: [www.example.test], content: playbooks/site }
          - { name: shop, hosts: [shop.example.test], app: { command: /usr/bin/perl /srv/board/server.pl, port: 3000 } }
  database:
    hosts: [web-01, web-02]
    vars: { mysql: { buffer_pool: 96M, databases: [{ name: shop }] } }
`,
  )
  return { project, spec: installed({ name: lab, root: project.root, hosts }) }
}

const PLAYBOOK = `- { hosts: all, roles: [firewall] }
- { hosts: [database, database_arbitrators, web], roles: [mysql] }
- { hosts: web, roles: [board] }
- { hosts: web, roles: [nginx] }
- { hosts: load_balancers, roles: [haproxy-tls] }
- { hosts: all, roles: [monitoring] }
`

/** Files and a release in a directory that an account owns, and an application. */
const BOARD = `import { defineRole, directory, file, release, user, z } from 'provision'

const SERVER = 'use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ENV{PORT}", Listen => 16, ReuseAddr => 1) or die; ' +
  'while (my $c = $s->accept) { print $c "HTTP/1.0 200 OK\\\\r\\\\nContent-Length: 2\\\\r\\\\n\\\\r\\\\nok"; close $c }'

export default defineRole({
  name: 'board',
  summary: 'files of an account',
  options: z.strictObject({}),
  resources: ({ files }) => [
    user({ name: 'board', system: true, home: '/nonexistent' }),
    directory({ path: '/srv/board', owner: 'board', group: 'board' }),
    file({ path: '/srv/board/server.pl', content: SERVER }),
    ...['fifo', 'link', 'sparse'].map((name) => file({ path: '/srv/board/' + name, content: name + '\\n', owner: 'board' })),
    directory({ path: '/srv/pages' }),
    release({ root: '/srv/pages', files: files('playbooks/site') }),
  ],
})
`

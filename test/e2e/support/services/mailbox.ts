import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Project } from '../project.ts'

/** Owner of the mailbox, and account and password of the sender. */
export const MAIL = { to: 'ann@example.test', user: 'alerts', password: 'a long "poison" word' }

/** CA certificate of the mail server and the chat server. No public authority knows their certificates. */
export const AUTHORITY = 'authorities/own.pem'

/** Creates a self-signed certificate for these addresses, with the key beside it as `own.key`. */
export const ownCertificate = (project: Project, addresses: readonly string[]): { readonly cert: string; readonly key: string } => {
  project.write('authorities/README', 'for the tests\n')
  const at = (name: string) => join(project.root, 'authorities', name)
  const names = addresses.map((address) => `IP:${address}`).join(',')
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=own']
  const made = spawnSync('openssl', [...words, '-addext', `subjectAltName=${names}`, '-keyout', at('own.key'), '-out', at('own.pem')])
  if (made.status !== 0) throw new Error(String(made.stderr))
  return { cert: readFileSync(at('own.pem'), 'utf8'), key: readFileSync(at('own.key'), 'utf8') }
}

/** Gives a project the role `mailbox`: exim on a host, which accepts mail over STARTTLS with the password, and stores it in a mailbox. */
export const addMailbox = (project: Project): void => {
  project.write('mailbox/exim4.conf', CONFIG)
  project.write('roles/mailbox.ts', ROLE)
}

const CONFIG = `# The whole of it: Debian's own is left aside.
primary_hostname = mail.example.test
daemon_smtp_ports = 587
tls_advertise_hosts = *
tls_certificate = /etc/exim4/own.pem
tls_privatekey = /etc/exim4/own.key
auth_advertise_hosts = \${if eq {$tls_in_cipher}{} {} {*}}
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept authenticated = *
         encrypted = *
         domains = example.test
  deny message = log in first
begin routers
mailbox:
  driver = accept
  domains = example.test
  local_parts = ann
  transport = mailbox
begin transports
mailbox:
  driver = appendfile
  file = /var/mail/ann
  user = mail
  group = mail
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and {{eq {$auth2}{${MAIL.user}}} {eq {$auth3}{${MAIL.password}}}}}
  server_set_id = $auth2
`

const ROLE = `import { defineRole, file, pkg, service, unit, z } from 'provision'

const JOB = '[Service]\\nExecStart=/usr/sbin/exim4 -bdf -q1m\\n\\n[Install]\\nWantedBy=multi-user.target\\n'

export default defineRole({
  name: 'mailbox',
  summary: 'a mail server with one mailbox',
  options: z.strictObject({}),
  listens: () => [{ service: 'submission', port: 587, protocol: 'tcp', from: [{ group: 'monitoring_servers' }], encrypted: true }],
  resources: ({ files }) => {
    const content = (directory, name) => files(directory).find(({ path }) => path === name).content
    const config = file({ path: '/etc/exim4/exim4.conf', content: content('mailbox', 'exim4.conf') })
    const job = unit({ name: 'mailbox.service', content: JOB })
    return [
      pkg({ name: 'exim4-daemon-light' }),
      file({ path: '/etc/exim4/own.pem', content: content('authorities', 'own.pem') }),
      file({ path: '/etc/exim4/own.key', content: content('authorities', 'own.key') }),
      config,
      job,
      service({ unit: 'mailbox.service', restarts: [config, job] }),
    ]
  },
})
`

import { generateKeyPairSync } from 'node:crypto'

/** Marker in every secret, between characters that each language escapes differently. */
export const CORE = 'Zq7poison4711xK'
export const poison = (mark: string): string => `${mark}'w "${CORE}" $x/+ü`

/** The key of a certificate of the site; PEM permits words before it. */
const OWN_KEY = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})

/** Secrets from the environment; that of an address has only signs that an address may have, and one is longer than a line of base64. */
export const environment = {
  POISON_A: poison('env-which-goes-on-behind-a-line-of-base64'),
  POISON_SUDO: poison('sudo'),
  POISON_KEY: poison('passphrase'),
  POISON_TOKEN: `token-${CORE}`,
  POISON_OWN: `${poison('own')}\n${OWN_KEY.privateKey}`,
}

/** The secrets of secrets.yaml. */
export const secrets = { deep: { b: poison('secret') }, token: `deep-${CORE}` }

/** The only files on a host that may contain a secret. */
export const HOLDERS = [
  '/etc/leaky/token',
  '/etc/prometheus/alertmanager.yml',
  '/etc/prometheus/blackbox.yml',
  '/etc/prometheus/prometheus.yml',
  '/etc/provision-backup-files/environment',
  '/etc/provision-backup-files/password',
  '/etc/provision-backup-files/ssh-key',
  '/etc/provision-backup/copy-1.conf',
  '/etc/provision-backup/copy-2.key',
  '/etc/provision/provision-app-api.env',
  '/etc/ssl/haproxy/own.example.test.own.pem.key',
]

interface Place {
  readonly subnet: string
  /** The folder of the lab's files. */
  readonly lab: string
}

/** A site of one host, with a marked secret in every option that takes one, of every role that is shipped, and of `leaky`. */
export const poisonedInventory = ({ subnet, lab }: Place, way: string): string => `
vars:
  user: asked
  key: key
  sudo_password: '\${env:POISON_SUDO}'
  passphrase: '\${env:POISON_KEY}'
  known_hosts: ${lab}/known_hosts
hosts: { one: { address: ${subnet}.11 } }
groups:
  load_balancers:
    hosts: [one]
    vars:
      haproxy-tls:
        certificates: [{ names: [own.example.test], own: { chain: own.pem, key: '\${env:POISON_OWN}' } }]
        acme:
          external_account: { kid: kid, hmac_key: '\${secret:deep.b}' }
          dns_update: { server: ${subnet}.1, key: { name: acme, secret: '\${env:POISON_A}' } }
        users: { ann: '\${env:POISON_A}' }
        locations: { /admin: { users: { bob: '\${secret:deep.b}' } } }
        sites:
          - names: [own.example.test]
            users: { ann: '\${env:POISON_A}' }
            locations: { /admin: { users: { bob: '\${secret:deep.b}' } } }
  monitoring_servers: { hosts: [one] }
  database: { hosts: [one] }
  cache:
    hosts: [one]
    vars:
      redis:
        password: '\${env:POISON_A}'
        users: [{ name: shop, password: '\${secret:deep.b}' }, { name: crew, password: '\${command:sh helper}' }]
  postgresql:
    hosts: [one]
    vars:
      postgresql:
        buffers: 64M
        databases: [{ name: shop, owner: shop }]
        users: [{ name: shop, password: '\${env:POISON_A}' }, { name: crew, password: '\${command:sh helper}' }]
  web:
    hosts: [one]
    vars:
      leaky: { first: '\${env:POISON_A}', second: '\${secret:deep.b}', third: '\${command:sh helper}', way: ${way} }
      backup:
        repository: sftp:keeper@${subnet}.1:backups
        password: '\${env:POISON_A}'
        environment: { AWS_SECRET_ACCESS_KEY: '\${command:sh helper}' }
        ssh: { key: '\${secret:deep.b}', known_hosts: ['${subnet}.1 ssh-ed25519 AAAA'] }
        paths: [/srv]
      mysql:
        buffer_pool: 64M
        databases: [{ name: shop }]
        backups:
          recipients: [age1cucy0ntxyydd6al6ncc35ngvqpknry4m79v5kap7n546tfexqcaqy9u33e]
          store: here
          copies:
            - s3: { endpoint: 'https://${subnet}.1:5989', bucket: shop, access_key: '\${env:POISON_A}', secret_key: '\${secret:deep.b}' }
            - sftp: { host: ${subnet}.1, user: shop, host_keys: [ssh-ed25519 AAAA], key: '\${env:POISON_OWN}' }
        users:
          - { name: shop, password: '\${env:POISON_A}', grants: [{ on: shop.* }] }
          - { name: crew, password: '\${command:sh helper}', grants: [{ on: shop.*, privileges: [SELECT] }] }
      nginx:
        sites:
          - name: api
            hosts: [own.example.test]
            users: { ann: '\${env:POISON_A}' }
            locations: { /admin: { users: { bob: '\${secret:deep.b}' } } }
            app:
              command: /usr/bin/perl /srv/server.pl
              port: 3000
              environment: { WORD: '\${env:POISON_A}', OTHER: '\${secret:deep.b}' }
      monitoring:
        heartbeat: 'http://${subnet}.1:5990/\${env:POISON_TOKEN}?of=heart%20beat'
        repeat_hours: ${way === 'amtool' ? 5 : 4}
        receivers:
          - name: mail
            type: email
            to: [ann@example.test]
            from: monitoring@example.test
            server: '${subnet}.1:5991'
            user: alerts
            password: '\${secret:deep.b}'
          - { name: chat, type: slack, url: 'http://${subnet}.1:5992/services/\${secret:token}', channel: '#operations' }
          - { name: duty, type: pagerduty, routing_key: '\${secret:deep.b}', url: 'http://${subnet}.1:5994/' }
          - { name: genie, type: opsgenie, api_key: '\${env:POISON_A}', url: 'http://${subnet}.1:5994/' }
          - { name: players, type: discord, url: 'http://${subnet}.1:5994/\${env:POISON_TOKEN}' }
          - { name: office, type: teams, url: 'http://${subnet}.1:5994/\${secret:token}' }
          - { name: phone, type: webhook, url: 'http://ann:\${env:POISON_TOKEN}@${subnet}.1:5993/' }
          - { name: hook, type: webhook, url: 'http://${subnet}.1:5994/', auth: { user: ann, password: '\${env:POISON_A}' } }
          - { name: crew, type: webhook, url: 'http://${subnet}.1:5994/', auth: { token: '\${secret:token}' } }
          - { name: bell, type: ntfy, url: 'http://${subnet}.1:5994/\${env:POISON_TOKEN}', auth: { token: '\${secret:token}' } }
          - { name: gong, type: ntfy, url: 'http://${subnet}.1:5994/\${secret:token}', auth: { user: ann, password: '\${secret:deep.b}' } }
          - { name: bot, type: telegram, url: 'http://${subnet}.1:5994', bot_token: '\${env:POISON_TOKEN}', chat_id: -7 }
        probes:
          - { url: 'https://${subnet}.1:5994/', auth: { token: '\${env:POISON_TOKEN}' } }
          - { url: 'https://${subnet}.1:5994/b', auth: { user: ann, password: '\${secret:deep.b}' } }
        targets:
          - { job: far, url: 'http://${subnet}.1:5994/metrics', auth: { token: '\${env:POISON_TOKEN}' } }
          - { job: near, url: 'http://${subnet}.1:5994/metrics', auth: { user: ann, password: '\${secret:deep.b}' } }
        remote_write:
          - { url: 'http://${subnet}.1:5994/push', auth: { token: '\${env:POISON_TOKEN}' } }
          - { url: 'http://${subnet}.1:5994/store', auth: { user: ann, password: '\${secret:deep.b}' } }
        dashboard: { users: { ann: '\${command:sh helper}', bob: '\${env:POISON_A}' } }
`

/** The play with all roles of the host. */
export const PLAYBOOK =
  '- name: everything\n  hosts: web\n  roles: [leaky, mysql, postgresql, redis, backup, nginx, haproxy-tls, monitoring]\n'

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decrypt, generateIdentity, recipientOf } from '../../src/keystore/age.ts'
import { labDown, labReset } from '../../src/lab/index.ts'
import { sql } from '../e2e/support/database/database.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'

// A single server whose backups go to a bucket and to a server with SFTP, both outside the site: moto and sshd on another host.
const SUBNET = '10.79.63'
const project = referenceProject('t-copies', SUBNET)
const spec = {
  name: project.lab,
  root: project.root,
  hosts: ['db-01', 'vault-01'].map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}
const reader = await generateIdentity()
const recipient = await recipientOf(reader)
const VAULT = `${SUBNET}.12`
const SECRET = 'poison-secret-key'

const OLD = ['20250101', '20250102', '20250103', '20250104'].map((day) => `database-${day}T000000Z.sql.gz.age`)

/** Starts the storage: a bucket of moto over TLS, and an account with SFTP. Each has old backups and a file of others. */
const storage = `set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update; apt-get install -y -qq --no-install-recommends python3-moto python3-flask python3-flask-cors curl openssl >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=vault -addext 'subjectAltName=IP:${VAULT}' -keyout /srv/key.pem -out /srv/authority.pem 2>/dev/null
systemd-run -q --unit=bucket moto_server -H ${VAULT} -p 9000 -s -c /srv/authority.pem -k /srv/key.pem
useradd -m -s /usr/sbin/nologin shop
install -d -o shop -m 700 ~shop/.ssh ~shop/database
printf '\\nMatch User shop\\n  ForceCommand internal-sftp\\n' >>/etc/ssh/sshd_config
ssh-keygen -q -t ed25519 -N '' -f /root/shop && install -o shop -m 600 /root/shop.pub ~shop/.ssh/authorized_keys
systemctl reload ssh
s3() { curl -fsS --cacert /srv/authority.pem --retry 30 --retry-connrefused --retry-delay 1 -X PUT "https://${VAULT}:9000/shop$1" -d "$2" >/dev/null; }
s3 '' ''
for n in ${OLD.join(' ')} notes.txt; do echo old >~shop/database/$n; s3 /database/$n old; done
s3 /others/${OLD[0]} old
chown -R shop: ~shop/database`

const inventory = (endpoint = `https://${VAULT}:9000`, hostKey = project.env.HOST_KEY): void =>
  project.write(
    'inventory/site.yaml',
    `vars:
  user: ops
  key: .provision/lab/${project.lab}/id_ed25519
  known_hosts: .provision/lab/${project.lab}/known_hosts
  mysql:
    buffer_pool: 96M
    databases: [{ name: shop }]
    backups:
      recipients: [${recipient}]
      copies:
        - s3: { endpoint: '${endpoint}', bucket: shop, access_key: shop-id, secret_key: '\${env:S3_SECRET}', authority: files/vault.pem }
        - sftp: { host: ${VAULT}, user: shop, host_keys: ['${hostKey}'], key: '\${env:SFTP_KEY}' }
hosts:
  db-01: { address: ${SUBNET}.11 }
groups:
  database: { hosts: [db-01] }
`,
  )
const on = (host: string, command: string): Promise<string> => inside(spec, host, command)
/** Names of the files in the bucket, and of those in the directory. */
const stored = async (): Promise<readonly [bucket: readonly string[], directory: readonly string[]]> => {
  const listed = await on('vault-01', `curl -fsS --cacert /srv/authority.pem 'https://${VAULT}:9000/shop?list-type=2'`)
  const keys = [...listed.matchAll(/<Key>([^<]*)</g)].map(([, key = '']) => key.replace('database/', ''))
  return [keys.sort(), (await on('vault-01', 'ls ~shop/database')).trim().split('\n').sort()]
}
/** The newest copy in the bucket, as the client of the job reads it, and the one in the directory. */
const newestCopies = async (): Promise<readonly Buffer[]> => {
  const name = (await on('vault-01', 'ls ~shop/database | grep ^database- | tail -n 1')).trim()
  const s3 =
    'env -u AWS_CA_BUNDLE rclone --config /etc/provision-backup/copy-1.conf --ca-cert /etc/provision-backup/copy-1.authority.pem cat'
  const read = [
    await on('db-01', `${s3} copy:shop/database/${name} | base64 -w0`),
    await on('vault-01', `base64 -w0 ~shop/database/${name}`),
  ]
  return read.map((text) => Buffer.from(text, 'base64'))
}
const backup = () =>
  on(
    'db-01',
    '{ systemctl start provision-database-backup 2>/dev/null && echo 0 || echo 1; }; journalctl -u provision-database-backup -o cat -n 12 --no-pager',
  )

beforeAll(async () => {
  project.write('playbooks/site.yaml', '- { hosts: database, roles: [mysql] }\n')
  await labReset(spec)
  await on('vault-01', storage)
  project.write('files/vault.pem', await on('vault-01', 'cat /srv/authority.pem'))
  project.env.S3_SECRET = SECRET
  project.env.SFTP_KEY = (await on('vault-01', 'cat /root/shop')).trim()
  project.env.HOST_KEY = (await on('vault-01', "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")).trim()
  inventory()
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

describe('copies of backups outside the site', () => {
  it('are made as planned, without a secret that others can read', async () => {
    const planned = changes(project.json('run', '--dry-run').lines, 'planned')
    expect(planned).toEqual(expect.arrayContaining(['db-01 create package:rclone', 'db-01 create file:/etc/provision-backup/copy-1.conf']))
    const { status, stderr, lines } = project.json('run')
    expect({ status, stderr, applied: changes(lines, 'applied') }).toEqual({ status: 0, stderr: '', applied: planned })
    expect(project.json('run').lines.at(-1)?.result).toBe('converged')
    expect(await on('db-01', `grep -rlsF ${SECRET} /etc /usr/local /var/log /run || true`)).toBe('/etc/provision-backup/copy-1.conf\n')
    expect(
      await on('db-01', 'setpriv --reuid=mysql --regid=mysql --init-groups cat /etc/provision-backup/copy-2.key 2>&1 || true'),
    ).toContain('denied')
  })

  it('are the encrypted backup, on both; old ones are gone, and files of others are kept', async () => {
    await sql(spec, 'db-01', "CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT); INSERT INTO shop.t VALUES (1, 'a row')")
    expect(await backup()).toMatch(/^0\n/)
    const kept = [...OLD.slice(2), expect.stringMatching(/^database-2.*\.age$/), 'notes.txt']
    expect(await stored()).toEqual([[...kept, `others/${OLD[0]}`], kept])
    for (const sealed of await newestCopies())
      expect(gunzipSync(await decrypt(sealed, [reader], { file: 'copy' })).toString()).toContain("'a row'")
    expect(project.provision('verify')).toMatchObject({ status: 0 })
    expect(await on('db-01', 'systemctl --failed -q --plain --no-legend')).toBe('')
  })

  it('restore dropped tables with the rows of a moment, and leave the others unchanged', async () => {
    await sql(
      spec,
      'db-01',
      "INSERT INTO shop.t VALUES (2, 'after the backup'); CREATE TABLE shop.later (id INT PRIMARY KEY); INSERT INTO shop.later VALUES (7)",
    )
    await sql(spec, 'db-01', 'CREATE TABLE shop.kept (id INT PRIMARY KEY); FLUSH BINARY LOGS')
    await sql(spec, 'db-01', "INSERT INTO shop.t VALUES (3, 'a\\'b')")
    const moment = (await on('db-01', 'sleep 1.1; date -u +%Y-%m-%dT%H:%M:%SZ; sleep 1.1')).trim()
    await sql(spec, 'db-01', "INSERT INTO shop.t VALUES (4, 'too late'); DROP TABLE shop.t, shop.later; INSERT INTO shop.kept VALUES (1)")
    const [, sealed = Buffer.alloc(0)] = await newestCopies()
    mkdirSync(join(project.root, 'backups'), { recursive: true })
    writeFileSync(join(project.root, 'backups/latest.sql.gz'), await decrypt(sealed, [reader], { file: 'backups/latest.sql.gz' }))
    const playbook = 'playbooks/moment.yaml'
    project.write(playbook, `- hosts: database\n  roles:\n    - mysql: { restore: { file: backups/latest.sql.gz, until: '${moment}' } }\n`)
    const dry = project.json('run', playbook, '--dry-run').lines
    expect(changes(dry, 'planned')).toContain('db-01 create database-dump:backups/latest.sql.gz')
    const { status, stderr, lines } = project.json('run', playbook)
    expect({ status, stderr, applied: changes(lines, 'applied') }).toEqual({ status: 0, stderr: '', applied: changes(dry, 'planned') })
    expect(await sql(spec, 'db-01', 'SELECT * FROM shop.t; SELECT * FROM shop.later; SELECT * FROM shop.kept')).toBe(
      "1\ta row\n2\tafter the backup\n3\ta'b\n7\n1",
    )
    expect(project.json('run', playbook)).toMatchObject({
      status: 0,
      lines: expect.arrayContaining([expect.objectContaining({ result: 'converged' })]),
    })
    expect(await on('db-01', 'ls /var/lib/provision-database-backup; ls /var/lib/provision')).not.toMatch(/moment|database-dump$/m)
  })

  it('fail the job if one does not arrive, and the others are still made', async () => {
    const wrongKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHm0Jk8m6kP4lJ8o1yN6Q3qk3b0VJt4m0cJxkq9eY8mA'
    inventory(undefined, wrongKey)
    expect(project.json('run').status).toBe(0)
    const before = await stored()
    expect(await backup()).toMatch(new RegExp(`the backup is stored, but not copied to sftp://shop@${VAULT}:22/database\\n`))
    const after = await stored()
    expect(after[1]).toEqual(before[1])
    expect(after[0].filter((name) => OLD.includes(name))).toEqual(OLD.slice(3))
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('not copied to sftp://')
    inventory(`https://${VAULT}:9001`)
    expect(project.json('run').status).toBe(0)
    expect(await backup()).toMatch(new RegExp(`not copied to https://${VAULT}:9001/shop/database\\n`))
    expect((await stored())[0]).toEqual(after[0])
  }, 600_000)

  it('are no longer made without the option, and their credentials are deleted', async () => {
    project.write(
      'inventory/site.yaml',
      readFileSync(`${project.root}/inventory/site.yaml`, 'utf8').replace(/ {6}copies:\n(?: {8}.*\n)+/, '      store: here\n'),
    )
    expect(project.json('run', '--prune').status).toBe(0)
    expect(await on('db-01', 'ls /etc/provision-backup')).not.toContain('copy-')
    expect(await backup()).toMatch(/^0\n/)
  })
})

import { afterAll, beforeAll, expect, it } from 'vitest'
import { PROVISION, selfProvisioningLab } from '../e2e/support/controller.ts'
import { changes } from '../e2e/support/project.ts'

const [ME, HOST] = ['10.79.203.11', '10.79.203.12']
const FIDO = '/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so'
const PKCS11 = '/usr/lib/softhsm/libsofthsm2.so'

/** One host, which ssh's configuration knows by a name for each way in. */
const CONFIG = `Host *
  HostKeyAlias ${HOST}
Host plain token card more
  HostName ${HOST}
Host plain more
  IdentityFile ~/.ssh/id_ed25519
Host token
  IdentityFile ~/.ssh/id_token
  SecurityKeyProvider ${FIDO}
Host card
  IdentityFile none
  PKCS11Provider ${PKCS11}
Host more
  Port 2223
Host kerberos
  HostName kerberos.lab
  Port 2222
  IdentityFile none
  GSSAPIAuthentication yes
`
const NAMES = ['token', 'card', 'more', 'kerberos'] as const

let lab: Awaited<ReturnType<typeof selfProvisioningLab>>
const install = (host: string, ...packages: readonly string[]): string =>
  lab.on(host, `sudo apt-get -qq update && sudo DEBIAN_FRONTEND=noninteractive apt-get -qqy install ${packages.join(' ')} >/dev/null 2>&1`)

beforeAll(async () => {
  lab = await selfProvisioningLab('t-more-ways', { me: ME, host: HOST })
  lab.install({
    '.ssh/config': CONFIG,
    ...Object.fromEntries(NAMES.map((name) => [`${name}.yaml`, `vars: { user: ops }\nhosts: { ${name}: {} }\n`])),
    'inventory/site.yaml': 'hosts: { me: { address: local } }\nvars: { firewall: { administrators: [10.79.203.1] } }\n',
    'playbooks/site.yaml': '- hosts: all\n  roles: [firewall, base]\n',
    'playbooks/file.yaml': '- hosts: all\n  roles: [file]\n',
    'roles/file.ts': `import { defineRole, file, z } from 'provision'
export default defineRole({ name: 'file', summary: 'a file', options: z.strictObject({}), resources: () => [file({ path: '/srv/file', content: 'hello' })] })
`,
  })
})
afterAll(() => lab?.down())

/** Runs the playbook of one file on the host by a way in. The file is deleted first. */
const runBy = (name: (typeof NAMES)[number], environment = 'true') => {
  lab.on('host', 'sudo rm -f /srv/file')
  const command = `cd /opt/site; ${environment}; ${PROVISION} run -i ${name}.yaml playbooks/file.yaml --verbose`
  return lab.on('me', `{ ${command}; } 2>&1; echo "exit $?"`)
}

it('a key on a security token logs in', () => {
  install('me', 'openssh-tests')
  lab.on(
    'me',
    `cd ~/.ssh && ssh-keygen -q -t ed25519-sk -w ${FIDO} -N '' -f id_token </dev/null && ssh plain 'cat >>.ssh/authorized_keys' <id_token.pub`,
  )
  const output = runBy('token')
  expect(output).toContain('connects with OpenSSH: key /home/ops/.ssh/id_token is on a security token')
  expect(output).toMatch(/changes? applied and confirmed[\s\S]*exit 0\n$/)
})

it('a key in a PKCS#11 module logs in with its PIN, which needs a terminal', async () => {
  install('me', 'softhsm2', 'opensc')
  const environment = 'export SOFTHSM2_CONF=$HOME/softhsm.conf'
  lab.on(
    'me',
    `mkdir ~/tokens; echo "directories.tokendir = $HOME/tokens" >~/softhsm.conf; ${environment}
softhsm2-util --init-token --free --label card --pin 4711 --so-pin 4711 >/dev/null
pkcs11-tool --module ${PKCS11} --login --pin 4711 --keypairgen --key-type EC:prime256v1 --label jane --id 01 >/dev/null 2>&1
ssh-keygen -D ${PKCS11} | ssh plain 'cat >>.ssh/authorized_keys'`,
  )
  expect(runBy('card', environment)).toMatch(
    /what key needs its PIN, and no terminal is attached\n *why +ssh asks: Enter PIN for 'card':[\s\S]*exit 1\n$/,
  )
  lab.on('host', 'sudo rm -f /srv/file')
  const run = `${environment}; export NO_COLOR=1; cd /opt/site; ${PROVISION} run -i card.yaml playbooks/file.yaml`
  expect(await lab.atTerminal(run, "card: Enter PIN for 'card':", '4711')).toContain('applied and confirmed')
})

it('a host that requires more than a key is refused in words, by both transports', () => {
  lab.on(
    'host',
    'sudo /usr/sbin/sshd -p 2223 -o PidFile=none -o KbdInteractiveAuthentication=yes -o AuthenticationMethods=publickey,keyboard-interactive',
  )
  const refused =
    /what login as ops was refused\n *why +tried .*id_ed25519 .*; the host accepts keyboard-interactive[\s\S]*fix +permit a login by public key alone in sshd_config of the host[\s\S]*exit 4\n$/
  expect(runBy('more')).toMatch(refused)
  lab.on('me', 'echo "  GSSAPIAuthentication yes" >/tmp/yes; sed -i "/Port 2223/r /tmp/yes" ~/.ssh/config')
  expect(runBy('more')).toContain('connects with OpenSSH: GSSAPIAuthentication yes')
  expect(runBy('more')).toMatch(refused)
})

it('a Kerberos ticket logs in, where no key does', () => {
  install('host', 'krb5-kdc', 'krb5-admin-server')
  install('me', 'krb5-user')
  const realm = `[libdefaults]\n default_realm = LAB\n rdns = false\n[realms]\n LAB = {\n  kdc = ${HOST}\n }\n`
  for (const host of ['me', 'host'])
    lab.on(
      host,
      `printf '${realm.replaceAll('\n', '\\n')}' | sudo tee /etc/krb5.conf; echo '${HOST} kerberos.lab' | sudo tee -a /etc/hosts`,
    )
  lab.on(
    'host',
    `sudo sh -ec 'kdb5_util create -s -r LAB -P master >/dev/null 2>&1
kadmin.local -q "addprinc -pw sesame ops"; kadmin.local -q "addprinc -randkey host/kerberos.lab"; kadmin.local -q "ktadd host/kerberos.lab"
systemctl restart krb5-kdc
/usr/sbin/sshd -p 2222 -o PidFile=none -o UsePAM=yes -o GSSAPIAuthentication=yes -o GSSAPIStrictAcceptorCheck=no -o AuthorizedKeysFile=none' 2>&1`,
  )
  expect(runBy('kerberos')).toMatch(/what login as ops was refused\n[\s\S]*No Kerberos credentials available[\s\S]*exit 4\n$/)
  lab.on('me', 'echo sesame | kinit ops')
  const output = runBy('kerberos')
  expect(output).toContain('connects with OpenSSH: GSSAPIAuthentication yes')
  expect(output).toMatch(/changes? applied and confirmed[\s\S]*exit 0\n$/)
})

it('this machine gets the roles firewall and base as it is, and a second run finds nothing to do', () => {
  const dry = lab.json('run', '--dry-run')
  const first = lab.json('run')
  expect(first.lines.filter(({ type }) => type === 'problem')).toEqual([])
  expect([dry.status, first.status, changes(first.lines, 'applied')]).toEqual([2, 0, changes(dry.lines, 'planned')])
  expect(lab.provision('run').stdout).toContain('Nothing to do')
  expect(lab.on('me', 'sudo nft list tables')).toMatch(/table inet \S*provision/)
})

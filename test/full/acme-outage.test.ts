import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installCommand } from '../e2e/support/install-command.ts'
import { down, installed, up } from '../e2e/support/lab.ts'
import { type Relay, relayTo } from '../e2e/support/network/relay.ts'
import { referenceProject } from '../e2e/support/project.ts'
import { faultyAuthority, type Lie } from '../e2e/support/services/faulty-authority.ts'

// One host is balancer and web server at once. Its authority is reached through a relay that can be cut, or lead to a faulty authority.
const SUBNET = '10.79.82'
const PORT = 14400
const NAMES = ['www', 'shop', 'blog']
const project = referenceProject('t-faults', SUBNET)
const lab = installed({
  name: project.lab,
  root: project.root,
  hosts: [{ name: 'lb-01', user: 'ops', addresses: [`${SUBNET}.11`] }],
  certificateSeconds: 30 * 86_400,
  faults: true,
})
const file = (name: string): string => join(project.root, `.provision/lab/${project.lab}/${name}`)

const inventory = (names: readonly string[]): string => `
vars: { user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: .provision/lab/${project.lab}/known_hosts }
hosts: { lb-01: { address: ${SUBNET}.11 } }
groups:
  load_balancers:
    hosts: [lb-01]
    vars:
      haproxy-tls:
        certificates: [${names.map((name) => `{ names: [${name}.example.test] }`).join(', ')}]
        acme: { directory: 'https://${SUBNET}.1:${PORT}/dir', ca_file: authorities.pem }
  web:
    hosts: [lb-01]
    vars: { nginx: { content: playbooks/site } }
`

const PAIR = '/etc/ssl/haproxy/www.example.test.pem'

/** Two certificates that a separate authority revoked: one names a revocation list, the other an OCSP responder. */
const REVOKED_ELSEWHERE = `cd /root; cat >make.sh <<'END'
set -e
key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=ca -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
mkdir -p db; : >db/index; echo 01 >db/serial; echo 01 >db/crlnumber
cat >ca.conf <<'CONF'
[ca]
default_ca=a
[a]
database=db/index
new_certs_dir=db
serial=db/serial
crlnumber=db/crlnumber
certificate=ca.pem
private_key=ca.key
default_md=sha256
default_days=9
default_crl_days=9
policy=p
[p]
commonName=supplied
[list]
crlDistributionPoints=URI:http://127.0.0.1:8099/crl
[responder]
authorityInfoAccess=OCSP;URI:http://127.0.0.1:8098
CONF
for by in list responder; do
  openssl req -new $key -keyout $by.key -out $by.csr -subj /CN=$by
  openssl ca -batch -notext -config ca.conf -extensions $by -in $by.csr -out $by.pem
  openssl ca -config ca.conf -revoke $by.pem
done
openssl ca -config ca.conf -gencrl | openssl crl -outform DER -out crl
END
sh make.sh >make.log 2>&1 || { cat make.log; exit 1; }
{ printf 'HTTP/1.0 200 OK
Content-Length: %s

' "$(wc -c <crl)"; cat crl; } >answer
socat TCP-LISTEN:8099,fork,reuseaddr SYSTEM:'cat /root/answer; sleep 1' & a=$!
openssl ocsp -port 8098 -index db/index -CA ca.pem -rsigner ca.pem -rkey ca.key >/dev/null 2>&1 & b=$!
sleep 1; p=/etc/ssl/haproxy/www.example.test.pem; cp $p real.pem
for by in list responder; do
  cat $by.pem ca.pem >$p; systemctl start provision-revocation
  f=$(openssl x509 -in $by.pem -noout -fingerprint -sha256)
  grep -qxF "$(echo $f | cut -d= -f2)" $p.revoked && echo "$by found"; rm -f $p.revoked
done
kill $a $b; cp real.pem $p; systemctl start provision-revocation; [ -e $p.revoked ] || echo 'the real one stands'`

let relay: Relay
beforeAll(async () => {
  installCommand('faketime')
  project.write('inventory/site.yaml', inventory(NAMES))
  project.write('playbooks/site.yaml', '- { hosts: web, roles: [nginx] }\n- { hosts: load_balancers, roles: [haproxy-tls] }\n')
  await up(lab)
  project.write('authorities.pem', readFileSync(file('authority.pem'), 'utf8'))
  relay = await honest()
})
afterAll(async () => {
  relay?.close()
  await down(lab)
  project.remove()
})

const honest = (): Promise<Relay> => relayTo(`${SUBNET}.1`, 14000, { host: `${SUBNET}.1`, port: PORT })

const on = (script: string): string => {
  const { status, stdout, stderr } = project.provision('exec', 'lb-01', '--sudo', '--', 'sh', '-c', script)
  if (status !== 0) throw new Error(`exit ${status}: ${stdout}${stderr}`)
  return stdout
}

/** A run with a clock that is several days ahead: a certificate of thirty days is renewed after twenty. */
const runIn = async (days: number, ...words: readonly string[]) => {
  const ahead = { FAKETIME: `+${days}d`, FAKETIME_DONT_FAKE_MONOTONIC: '1', LD_PRELOAD: '/usr/$LIB/faketime/libfaketime.so.1' }
  Object.assign(project.env, ahead)
  const done = project.provisionBeside('run', ...words)
  for (const name of Object.keys(ahead)) delete project.env[name]
  return done
}

/** The certificate that a visitor gets, and whether the authority signed it. */
const served = (name = 'www'): Promise<{ trusted: boolean; serial: string }> =>
  new Promise((resolve, reject) => {
    const options = { host: `${SUBNET}.11`, port: 443, servername: `${name}.example.test`, ca: readFileSync(file('roots.pem')) }
    const socket = connect({ ...options, rejectUnauthorized: false }, () => {
      resolve({ trusted: socket.authorized, serial: socket.getPeerCertificate().serialNumber })
      socket.destroy()
    })
    socket.on('error', reject)
  })

/** Expected output of a run with that clock, while the old certificates stay in use. */
const putOff = async (days: number, words: readonly (string | RegExp)[]): Promise<void> => {
  const before = await Promise.all(NAMES.map(served))
  const run = await runIn(days)
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  for (const name of NAMES) expect(run.stdout).toContain(`${name}.example.test.pem was not renewed; the present one is valid until 20`)
  for (const word of words) expect(run.stdout).toMatch(word)
  expect(run.stdout).toContain('0 changes applied, 3 deferred')
  expect(await Promise.all(NAMES.map(served))).toEqual(before)
  expect((await runIn(days, '--dry-run')).status).toBe(2)
}

describe('an authority that refuses nonces and answers slowly', () => {
  it('still issues the certificates, in one run', async () => {
    const { status, stdout, stderr } = await project.provisionBeside('run')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout.match(/create certificate \/etc\/ssl\/haproxy\/[a-z]+\.example\.test\.pem /g)).toHaveLength(NAMES.length)
    for (const name of NAMES) expect(await served(name)).toMatchObject({ trusted: true })
    expect(project.provision('run', '--dry-run').status).toBe(0)
  })
})

describe('when certificates are to be renewed, and the authority', () => {
  it('is down, they stay in use and the run reports it; after half of the time that is an error', async () => {
    relay.close()
    await putOff(21, [/10\.79\.82\.1:14400 cannot be reached/, 'the next run tries again', 'check acme.directory and the network'])
    const late = await runIn(26)
    expect(late.status).toBe(1)
    expect(late.stderr).toContain(`${SUBNET}.1:${PORT} cannot be reached`)
    expect(await served()).toMatchObject({ trusted: true })
  })

  it.each<[Lie, readonly (string | RegExp)[]]>([
    [
      'names',
      ['a certificate that differs from the order', /not in the certificate: www\.example\.test/, 'the certificate was not installed'],
    ],
    ['key', ['does not belong to the key of the host', 'the certificate was not installed']],
    ['expired', [/the certificate expired on 20/, 'the certificate was not installed']],
    ['garbage', ['the answer is not a certificate']],
    ['limited', ['limits the rate of requests', 'too many certificates', 'in 60 minutes']],
    ['busy', ['does not serve requests at present', 'Service busy; retry later.', 'in 60 minutes']],
  ])('violates the protocol (%s), nothing is installed', async (lie, words) => {
    const liar = await faultyAuthority(`${SUBNET}.1`, PORT)
    try {
      liar.lie = lie
      project.write('authorities.pem', `${readFileSync(file('authority.pem'), 'utf8')}${liar.ca}`)
      await putOff(21, words)
    } finally {
      await liar.close()
    }
  })

  it('works again, the next run renews them', async () => {
    const before = await Promise.all(NAMES.map(served))
    relay = await honest()
    // The clock of the authority is not ahead, so its certificates are due at once by ours. That is the only expected difference.
    const { stdout, stderr } = await runIn(21)
    expect(stdout).not.toContain('deferred')
    expect(stderr.match(/^ {2}what .*/gm)).toEqual(NAMES.map(() => '  what resource was applied and has not converged'))
    for (const [i, name] of NAMES.entries()) {
      const now = await served(name)
      expect(now.trusted).toBe(true)
      expect(now.serial).not.toBe(before[i]?.serial)
    }
    expect(project.provision('run', '--dry-run').status).toBe(0)
  })

  it('has revoked one, the balancer detects it, and the next run replaces it with a new key', async () => {
    expect(on(REVOKED_ELSEWHERE)).toMatch(/list found[\s\S]*responder found[\s\S]*the real one stands/)
    expect(project.provision('run', '--dry-run').status).toBe(0)

    const before = await served()
    const key = on(`sha256sum ${PAIR}.key`)
    on(`f=$(openssl x509 -in ${PAIR} -noout -fingerprint -sha256); echo "\${f#*=}" >${PAIR}.revoked`)
    const run = await project.provisionBeside('run')
    expect(run.stdout).toContain('revoked by its authority')
    expect(run.status, run.stderr).toBe(0)
    expect(await served()).toMatchObject({ trusted: true })
    expect((await served()).serial).not.toBe(before.serial)
    expect(on(`sha256sum ${PAIR}.key`)).not.toBe(key)
    expect(project.provision('run', '--dry-run').status).toBe(0)
  })

  it('cannot verify one name, the others are issued and the failed one is named', async () => {
    project.write('inventory/site.yaml', inventory([...NAMES, 'elsewhere']))
    await fetch(`http://${SUBNET}.1:8055/add-a`, {
      method: 'POST',
      body: JSON.stringify({ host: 'elsewhere.example.test.', addresses: [`${SUBNET}.1`] }),
    })
    const { status, stdout, stderr } = await project.provisionBeside('run')
    expect(status).toBe(1)
    expect(stdout.match(/FAILED.*/g)).toEqual(['FAILED create certificate /etc/ssl/haproxy/elsewhere.example.test.pem'])
    expect(stderr).toContain('could not validate the names')
    expect(stderr).toContain('elsewhere.example.test: ')
    expect(await served()).toMatchObject({ trusted: true })
  })
})

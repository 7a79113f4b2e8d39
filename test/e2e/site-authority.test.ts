import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openIdentities } from '../../src/identities.ts'
import { labDown, labReset } from '../../src/lab/index.ts'
import { installed } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// One host plays both sides: it serves over TLS, and connects to itself with the same certificate.
const SUBNET = '10.79.37'
const NAME = 'web-01.edge.provision.internal'
const [PAIR, TRUSTED, EDGE] = ['/etc/edge/host.pem', '/etc/edge/trusted.pem', 'authority:edge']
const project = referenceProject('t-authority', SUBNET)
const spec = installed({ name: project.lab, root: project.root, hosts: [{ name: 'web-01', user: 'ops', addresses: [`${SUBNET}.11`] }] })

beforeAll(async () => {
  const lab = `.provision/lab/${project.lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts }\nhosts: { web-01: { address: ${SUBNET}.11 } }\n`,
  )
  project.write('playbooks/site.yaml', '- name: edge\n  hosts: all\n  roles: [edge]\n')
  cpSync(join(import.meta.dirname, '../fixtures/roles/edge.ts'), join(project.root, 'roles/edge.ts'))
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, applied: changes(lines, 'applied'), failed: changes(lines, 'failed'), stderr }
}
const planned = () => changes(project.json('run', '--dry-run').lines, 'planned')
const on = (script: string): string => {
  const { status, stdout, stderr } = project.provision('exec', 'web-01', '--sudo', '--', 'sh', '-c', script)
  if (status !== 0) throw new Error(`exit ${status}: ${stdout}${stderr}`)
  // Every line begins with the name of its host.
  return stdout.replaceAll(/^web-01[^\n]*?[|:] ?/gm, '')
}
/** The answer of the service to a client with this certificate, or none, that trusts these authorities. */
const said = (pair = PAIR, trusted = TRUSTED): string =>
  on(
    `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:8443 -verify_return_error -verify_hostname ${NAME} -CAfile ${trusted} ${pair === '' ? '' : `-cert_chain ${pair} -cert ${pair} -key ${pair}.key`} 2>&1 || true`,
  )
const [certificate, service, file] = [`certificate:${PAIR}`, 'service:nginx.service', `file:${TRUSTED}`]

describe('the authority of a trust domain', () => {
  it('is created by the first run, as predicted, and makes two sides trust each other; a second run finds nothing to do', () => {
    const predicted = planned()
    expect(predicted).toEqual(
      expect.arrayContaining([`controller create ${EDGE}`, `web-01 create ${certificate}`, `web-01 create ${file}`]),
    )
    expect(run()).toEqual({ status: 0, applied: predicted, failed: [], stderr: '' })
    expect(said()).toContain(`you are CN=${NAME}`)
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('stores its key encrypted in the project, and the key of a host never leaves the host', () => {
    expect(on(`stat -c '%a %U %G' ${PAIR}.key`)).toContain('640 root www-data')
    const own = on(`sed -n 2p ${PAIR}.key`).trim()
    const texts = readdirSync(project.root, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.provision/lab'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    expect(own).toMatch(/^[A-Za-z0-9+/]{64}$/)
    expect(texts.filter((text) => text.includes('PRIVATE KEY') || text.includes(own))).toEqual([])
    expect(texts.filter((text) => text.startsWith('-----BEGIN AGE ENCRYPTED FILE-----'))).toHaveLength(1)
  })

  it.each([
    ['with our header', 'grep ^# host.pem >head; cat head forged >host.pem', true],
    ['with a key of its own', 'cp own.key host.pem.key; cat forged >host.pem', false],
  ])('is not taken in by the certificate of another one %s', (_, put, keepsKey) => {
    const key = on(`sha256sum ${PAIR}.key`)
    on(`cd /etc/edge && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj '/CN=provision edge 1' 2>/dev/null
      cp host.pem.key own.key; [ ${keepsKey} = true ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out own.key
      printf 'subjectAltName=DNS:${NAME}\nextendedKeyUsage=serverAuth,clientAuth\n' >names
      openssl req -new -key own.key -subj /CN=${NAME} | openssl x509 -req -CA ca.pem -CAkey ca.key -days 90 -extfile names -out forged 2>/dev/null
      ${put}; rm -f own.key ca.key ca.pem names head forged`)
    const predicted = planned()
    expect(predicted).toEqual([`web-01 update ${certificate}`, `web-01 update ${service}`])
    expect(run()).toMatchObject({ status: 0, applied: predicted })
    expect(said()).toContain(`you are CN=${NAME}`)
    expect(on(`sha256sum ${PAIR}.key`) === key).toBe(keepsKey)
    expect(on('ls -A /etc/edge')).not.toContain('provision-new')
  })

  it('refuses a host that requests the name of another', () => {
    on(
      `rm ${PAIR}; printf '#!/bin/sh\ncase "$1 $2" in "req -new") exec /usr/bin/openssl req -new -key "$4" -subj /CN=lb-01 -addext subjectAltName=DNS:lb-01.edge.provision.internal ;; esac\nexec /usr/bin/openssl "$@"\n' >/usr/local/bin/openssl; chmod 755 /usr/local/bin/openssl`,
    )
    const { status, failed, stderr } = run()
    expect({ status, failed }).toEqual({ status: 1, failed: [`web-01 create ${certificate}`] })
    expect(stderr).toContain('a certificate that differs from that of the site')
    expect(on(`ls ${PAIR} 2>&1 || true`)).toContain('No such file')
    on('rm /usr/local/bin/openssl')
    expect(run().status).toBe(0)
  })
})

describe('a host that left the inventory', () => {
  const LIST = join(project.root, 'identities/hosts.json')
  const warnings = (): readonly string[] =>
    project.json('run', '--dry-run').lines.flatMap((line) => (line.type === 'warning' ? [JSON.stringify(line)] : []))

  it('with a certificate is named by every run until it is retired, and one that came back is recorded again', () => {
    const listed = JSON.parse(readFileSync(LIST, 'utf8'))
    expect(listed).toEqual({ 'inventory/site.yaml': { 'web-01': [EDGE] } })
    expect(warnings()).toEqual([])
    // As if web-01 had been retired and came back, with the certificates that it has.
    writeFileSync(LIST, JSON.stringify({ 'inventory/site.yaml': { 'web-02': [EDGE] } }))
    expect(warnings()).toEqual([expect.stringContaining(`web-02 is not in the inventory any more, and has certificates of ${EDGE}`)])
    expect(project.provision('run', '--retire', 'web-01').status).toBe(3)
    expect(planned()).toEqual(['controller create host:web-01'])
    expect(run('--retire', 'web-02')).toEqual({
      ...{ status: 0, failed: [], stderr: '' },
      applied: ['controller create host:web-01', 'controller delete host:web-02'],
    })
    expect(JSON.parse(readFileSync(LIST, 'utf8'))).toEqual(listed)
    expect(warnings()).toEqual([])
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })
})

describe('after some time', () => {
  const DAY_MS = 86_400_000
  const inThePast = (days: number) => openIdentities(project.root, project.env, () => new Date(Date.now() - days * DAY_MS))
  /** The certificate that a run on that day would have signed for the host. */
  const signed = async (daysAgo: number): Promise<string> => {
    const identities = await inThePast(daysAgo)
    identities.authority({ domain: 'edge' })
    const request = on(
      `openssl req -new -key ${PAIR}.key -subj /CN=${NAME} -addext subjectAltName=DNS:${NAME} | sed 's/^/PEM:/'`,
    ).replaceAll(/^.*?PEM:/gm, '')
    return identities.issue(EDGE, { request, names: [NAME], leaf: { usages: ['server', 'client'], lifetimeDays: 90 } }, () => {})
  }
  /** The state after such a run. */
  const install = (chain: string): string =>
    on(`printf '# key sha256 %s\n# issued through ${EDGE}\n%s' "$(sha256sum <${PAIR}.key | cut -d' ' -f1)" '${chain}' >${PAIR}`)

  let nearItsEnd = ''

  it('a generation after two thirds of its lifetime gets a successor, both are trusted, and its certificates stay', async () => {
    rmSync(join(project.root, 'identities/authority-edge-1.pem'))
    rmSync(join(project.root, 'identities/authority-edge-1.age'))
    const identities = await inThePast(2500)
    const authority = identities.authority({ domain: 'edge' })
    await identities.make(EDGE)
    on(`printf %s '${authority.trusted().join('')}' >${TRUSTED}; cp ${TRUSTED} /root/first.pem`)
    install(await signed(10))
    nearItsEnd = await signed(80)
    const predicted = planned()
    expect(predicted).toEqual([
      `controller update ${EDGE}`,
      `web-01 update ${file}`,
      'web-01 update owned:edge',
      `web-01 update ${service}`,
    ])
    expect(run()).toMatchObject({ status: 0, applied: predicted })
    expect(said()).toContain(`you are CN=${NAME}`)
    expect(run()).toMatchObject({ status: 0, applied: [] })
  })

  it('a certificate that expires soon is renewed by the new generation, and accepted by hosts that trust only the old one', async () => {
    const key = on(`sha256sum ${PAIR}.key`)
    install(nearItsEnd)
    expect(planned()).toEqual([`web-01 update ${certificate}`, `web-01 update ${service}`])
    expect(run().status).toBe(0)
    expect(on(`openssl x509 -in ${PAIR} -noout -issuer -checkend ${80 * 86_400}`)).toContain('provision edge 2')
    expect(on(`sha256sum ${PAIR}.key`)).toBe(key)
    expect(said(PAIR, '/root/first.pem')).toContain(`you are CN=${NAME}`)
    on(`cp /root/first.pem ${TRUSTED}; systemctl restart nginx`)
    expect(said()).toContain(`you are CN=${NAME}`)
    expect(run().status).toBe(0)
  })

  it('clients without a certificate, or with one of another domain, are refused', () => {
    on(`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /root/strange.pem.key -out /root/strange.pem \\
      -subj /CN=${NAME} -addext subjectAltName=DNS:${NAME} 2>/dev/null`)
    expect(said('')).toContain('No required SSL certificate was sent')
    expect(said('/root/strange.pem')).toContain('The SSL certificate error')
  })
})

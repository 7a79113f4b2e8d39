import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openIdentities } from '../../../src/identities.ts'
import { problemOf } from '../problem-of.ts'

const START = new Date('2026-11-23T12:00:00Z')
const inDays = (days: number): Date => new Date(START.getTime() + days * 86_400_000)
const EDGE = 'authority:edge'
const [KEY_FILE, PUBLIC_FILE] = ['identities/authority-edge-1.age', 'identities/authority-edge-1.pem']

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-authority-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const open = (now = START, who = 'alice') => openIdentities(root, { PROVISION_AGE_KEY_FILE: join(root, `${who}.txt`) }, () => now)

/** The authority of a domain, made so far as it is due. */
const made = async (now = START, domain = 'edge') => {
  const identities = await open(now)
  const authority = identities.authority({ domain })
  for (const { key } of identities.missing()) await identities.make(key)
  return { identities, authority }
}

const NAME = 'web-01.edge.provision.internal'

/** What a host would send: the openssl of this machine, as the one of a host, asked in its own words. */
const request = ({
  key = 'EC -pkeyopt ec_paramgen_curve:P-256',
  subject = `/CN=${NAME}`,
  extensions = `subjectAltName=DNS:${NAME}`,
} = {}): string => {
  const file = join(root, 'host.key')
  execFileSync('openssl', ['genpkey', '-algorithm', ...key.split(' '), '-out', file], { stdio: 'ignore' })
  const added = extensions.split('\n').flatMap((one) => (one === '' ? [] : ['-addext', one]))
  return execFileSync('openssl', ['req', '-new', '-key', file, '-subj', subject, ...added], { encoding: 'utf8' })
}

const leaf = { usages: ['server'], lifetimeDays: 90 } as const
const wish = (more: object = {}) => ({ request: request(), names: [NAME], leaf, ...more })

/** Returns the verdict of openssl on a chain, for a client that trusts these authorities. */
const verified = (trusted: string, chain: string, at: Date, ...how: readonly string[]): string => {
  writeFileSync(join(root, 'trusted.pem'), trusted)
  writeFileSync(join(root, 'chain.pem'), chain)
  const words = ['-CAfile', join(root, 'trusted.pem'), '-untrusted', join(root, 'chain.pem'), '-attime', String(at.getTime() / 1000)]
  try {
    return (
      execFileSync('openssl', ['verify', '-x509_strict', ...words, ...how, join(root, 'chain.pem')], {
        encoding: 'utf8',
        stdio: 'pipe',
      }).split(': ')[1] ?? ''
    )
  } catch (error) {
    return String((error as { stderr: unknown }).stderr)
  }
}

describe('an authority of the site', () => {
  it('creates nothing when it is only declared', async () => {
    const identities = await open()
    const { key, zone, certificate, trusted, nameOf } = identities.authority({ domain: 'edge' })
    expect([key, zone, nameOf('web-01')]).toEqual([EDGE, 'edge.provision.internal', NAME])
    expect([certificate.get(), trusted()]).toEqual([undefined, []])
    expect([certificate.later, certificate.soFar?.()]).toEqual([`the certificate of ${EDGE}`, ''])
    expect(identities.missing()).toMatchObject([{ action: 'create' }, { key: EDGE, action: 'create', reason: 'not created yet' }])
    expect(readdirSync(root)).toEqual([])
  })

  it('is created once with an encrypted key, and is found without the age key', async () => {
    const { authority } = await made()
    expect(readFileSync(join(root, KEY_FILE), 'utf8')).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
    expect(readdirSync(join(root, 'identities')).sort()).toEqual(['authority-edge-1.age', 'authority-edge-1.pem', 'recipients.txt'])
    const stranger = await open(inDays(1), 'stranger')
    expect(stranger.authority({ domain: 'edge' }).certificate.get()).toBe(authority.certificate.get())
    expect(stranger.missing()).toEqual([])
  })

  it('may sign names of its domain and its own next generation only, for ten years', async () => {
    const { authority } = await made()
    const own = new X509Certificate(authority.trusted().join(''))
    expect([own.ca, own.subject, own.publicKey.asymmetricKeyDetails?.namedCurve]).toEqual([true, 'CN=provision edge 1', 'prime256v1'])
    expect(own.validToDate).toEqual(inDays(3650))
    const text = execFileSync('openssl', ['x509', '-noout', '-text'], { input: authority.trusted().join(''), encoding: 'utf8' })
    expect(text).toMatch(/Name Constraints: critical\s+Permitted:\s+DNS:edge\.provision\.internal/)
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:1/)
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\s/)
  })

  it('is the same for two concurrent runs, and for an interrupted one', async () => {
    const [one, other] = await Promise.all([made(), made()])
    expect(one.authority.trusted().join('')).toBe(other.authority.trusted().join(''))
    const key = readFileSync(join(root, KEY_FILE))
    rmSync(join(root, PUBLIC_FILE))
    await made()
    expect(readFileSync(join(root, KEY_FILE)).equals(key)).toBe(true)
  })
})

describe('a certificate of it', () => {
  it('has names, usages and lifetime from the site', async () => {
    const { identities, authority } = await made()
    const chain = await identities.issue(EDGE, wish(), () => {})
    const one = new X509Certificate(chain)
    expect([one.subject, one.subjectAltName, one.ca, one.keyUsage]).toEqual([`CN=${NAME}`, `DNS:${NAME}`, false, ['1.3.6.1.5.5.7.3.1']])
    expect([one.validFromDate, one.validToDate]).toEqual([inDays(-1 / 24), inDays(90)])
    expect(verified(authority.trusted().join(''), chain, START, '-purpose', 'sslserver', '-verify_hostname', NAME)).toBe('OK\n')
    expect(verified(authority.trusted().join(''), chain, START, '-purpose', 'sslclient')).toContain('unsuitable certificate purpose')
    expect(verified((await made(START, 'database')).authority.trusted().join(''), chain, START)).toContain('unable to get local issuer')
  })

  it('has the addresses by which clients call the host, in any spelling of the request', async () => {
    const { identities, authority } = await made()
    const names = [NAME, '10.0.0.1', 'fd79:205::11']
    const asked = request({ extensions: `subjectAltName=DNS:${NAME},IP:FD79:205:0:0:0:0:0:11,IP:10.0.0.1` })
    const chain = await identities.issue(EDGE, wish({ request: asked, names }), () => {})
    const trusted = authority.trusted().join('')
    expect(new X509Certificate(chain).subject).toBe(`CN=${NAME}`)
    for (const address of names.slice(1)) {
      expect(verified(trusted, chain, START, '-verify_ip', address)).toBe('OK\n')
      // A name that only looks like an address would not be one.
      expect(verified(trusted, chain, START, '-verify_hostname', address)).toContain('hostname mismatch')
    }
    expect(verified(trusted, chain, START, '-verify_ip', '10.0.0.2')).toContain('IP address mismatch')
    const only = identities.issue(EDGE, wish({ request: request(), names }), () => {})
    expect(String((await problemOf(only)).why)).toContain(`names of the site: ${NAME}, ip:10.0.0.1, ip:fd79:205::11`)
  })

  it('expires no later than its authority', async () => {
    const { identities } = await made()
    const late = new X509Certificate(await identities.issue(EDGE, wish({ leaf: { usages: ['client'], lifetimeDays: 9000 } }), () => {}))
    expect(late.validToDate).toEqual(inDays(3650))
  })

  const other = 'web-02.edge.provision.internal'
  it.each([
    ['another name', { subject: `/CN=${other}`, extensions: `subjectAltName=DNS:${other}` }, other],
    ['one name more', { extensions: `subjectAltName=DNS:${NAME},DNS:${other}` }, other],
    ['an address', { extensions: `subjectAltName=DNS:${NAME},IP:10.0.0.1` }, 'ip:10.0.0.1'],
    ['another subject', { subject: '/CN=lb-01.edge.provision.internal' }, 'the subject of the request is CN=lb-01'],
    [
      'to be an authority',
      { extensions: `subjectAltName=DNS:${NAME}\nbasicConstraints=critical,CA:TRUE` },
      'the request has extensions besides its names',
    ],
    [
      'another use',
      { extensions: `subjectAltName=DNS:${NAME}\nextendedKeyUsage=codeSigning` },
      'the request has extensions besides its names',
    ],
    ['no names', { extensions: '' }, 'the request has extensions besides its names'],
    ['another kind of key', { key: 'RSA -pkeyopt rsa_keygen_bits:2048' }, 'not EC P-256'],
    ['another curve', { key: 'EC -pkeyopt ec_paramgen_curve:P-384' }, 'not EC P-256'],
  ])('is not signed for a request that asks for %s', async (_, how, why) => {
    const { identities } = await made()
    const problem = await problemOf(() => identities.issue(EDGE, wish({ request: request(how) }), () => {}))
    expect(problem.why).toContain(why)
    expect(problem.where).toEqual({ host: 'controller', resource: EDGE })
  })

  it('is not signed for a request without a valid signature, nor for an invalid one', async () => {
    const { identities } = await made()
    const [, mine = ''] = /-----\n([\s\S]+)\n-----END/.exec(request()) ?? []
    const bytes = Buffer.from(mine, 'base64')
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
    for (const text of [forged, 'hello', '']) {
      expect((await problemOf(() => identities.issue(EDGE, wish({ request: text }), () => {}))).what).toContain(
        'a certificate that differs from that of the site',
      )
    }
  })
})

describe('the next generation', () => {
  it('is created after two thirds of the lifetime; both are trusted until the older one expires', async () => {
    const first = (await made()).authority.trusted().join('')
    expect((await open(inDays(2400))).missing()).toEqual([])
    const identities = await open(inDays(2500))
    const authority = identities.authority({ domain: 'edge' })
    expect(identities.missing()).toEqual([{ key: EDGE, action: 'update', reason: expect.stringContaining('expires on 2036-11-20') }])
    expect([authority.certificate.get(), authority.trusted().join('')]).toEqual([undefined, first])
    await identities.make(EDGE)
    expect(authority.trusted().join('').split('BEGIN')).toHaveLength(3)
    expect(authority.trusted().join('').startsWith(first)).toBe(true)
    expect(authority.certificate.get()).toBe(authority.trusted().join(''))
    const later = (await made(inDays(3700))).authority.trusted().join('')
    expect(`${first}${later}`).toBe(authority.trusted().join(''))
  })

  it('signs at once, and is trusted by hosts that trust only the previous one, and by hosts that trust only it', async () => {
    const { identities: old, authority } = await made()
    const first = authority.trusted().join('')
    const before = await old.issue(EDGE, wish(), () => {})
    const { identities, authority: now } = await made(inDays(2500))
    const second = now.trusted().join('').slice(first.length)
    const chain = await identities.issue(EDGE, wish(), () => {})
    expect(new X509Certificate(chain).issuer).toBe('CN=provision edge 2')
    for (const trusted of [first, second, now.trusted().join('')]) expect(verified(trusted, chain, inDays(2501))).toBe('OK\n')
    expect(verified(now.trusted().join(''), before, inDays(80))).toBe('OK\n')
    // Once the older one has expired, nothing speaks of it any more.
    const last = await (await made(inDays(3700))).identities.issue(EDGE, wish(), () => {})
    expect(last.split('BEGIN')).toHaveLength(2)
    expect(verified(second, last, inDays(3701))).toBe('OK\n')
  })

  it('of an expired authority is not cross-signed', async () => {
    await made()
    const { authority } = await made(inDays(4000))
    expect(new X509Certificate(authority.trusted().join('')).subject).toBe('CN=provision edge 2')
    expect(readFileSync(join(root, 'identities/authority-edge-2.pem'), 'utf8').split('BEGIN')).toHaveLength(2)
  })
})

describe('a key that is lost for good', () => {
  const LOST_FILE = 'identities/authority-edge-1.lost.pem'
  /** Its key is gone, and somebody said so. */
  const lose = async () => {
    const { identities, authority } = await made()
    const before = { chain: await identities.issue(EDGE, wish(), () => {}), trusted: authority.trusted().join('') }
    rmSync(join(root, KEY_FILE))
    renameSync(join(root, PUBLIC_FILE), join(root, LOST_FILE))
    return before
  }

  it('is given up only by renaming its file, as the message asks', async () => {
    await made()
    rmSync(join(root, KEY_FILE))
    const { what, fix } = await problemOf(() => made())
    expect(what).toContain(`is missing, although ${PUBLIC_FILE} exists`)
    expect(fix).toContain(`if it is lost for good, run: mv ${PUBLIC_FILE} ${LOST_FILE} `)
  })

  it('gets a successor; its certificates stay valid, and both are trusted until it expires', async () => {
    const before = await lose()
    const identities = await open(inDays(1))
    const authority = identities.authority({ domain: 'edge' })
    expect(identities.missing()).toEqual([{ key: EDGE, action: 'update', reason: expect.stringContaining('its key is lost') }])
    expect([authority.certificate.get(), authority.trusted().join('')]).toEqual([undefined, before.trusted])
    await identities.make(EDGE)
    expect(authority.trusted().join('').startsWith(before.trusted)).toBe(true)
    expect(verified(authority.trusted().join(''), before.chain, inDays(80))).toBe('OK\n')
    expect((await made(inDays(2))).authority.trusted()).toEqual(authority.trusted())
    expect((await made(inDays(3649.99))).authority.trusted()).toHaveLength(3)
    expect((await made(inDays(3651))).authority.trusted().join('')).not.toContain(before.trusted)
  })

  it('signs nothing any more', async () => {
    await lose()
    const identities = await open(inDays(1))
    identities.authority({ domain: 'edge' })
    await expect(identities.issue(EDGE, wish(), () => {})).rejects.toThrow('cannot sign before it was created')
  })

  it('prevents its successor from signing while a host does not trust the successor', async () => {
    const before = await lose()
    const { identities, authority } = await made(inDays(1))
    // The requesting host may receive it at the same time: the other hosts verify its certificate.
    identities.markStale(authority.certificate, 'web-01')
    expect(await identities.issue(EDGE, wish(), () => {})).toContain('BEGIN CERTIFICATE')
    identities.markStale(authority.certificate, 'web-02')
    identities.markStale({ later: 'something else', get: () => '' }, 'lb-01')
    const problem = await problemOf(() => identities.issue(EDGE, wish(), () => {}))
    expect(problem).toMatchObject({
      where: { host: 'controller', resource: EDGE },
      what: 'authority does not sign before all hosts trust it',
      why: expect.stringMatching(/: web-02$/),
      fix: 'run again; the authority signs once all hosts trust it',
    })
    // The next run finds that all have learnt.
    const next = await made(inDays(1))
    const chain = await next.identities.issue(EDGE, wish(), () => {})
    expect(verified(next.authority.trusted().join(''), chain, inDays(2))).toBe('OK\n')
    expect(verified(before.trusted, chain, inDays(2))).not.toBe('OK\n')
  })

  it('does not delay a next generation that it cross-signs', async () => {
    await made()
    const { identities, authority } = await made(inDays(2500))
    identities.markStale(authority.certificate, 'web-02')
    expect(await identities.issue(EDGE, wish(), () => {})).toContain('BEGIN CERTIFICATE')
  })

  it('can be an age key, with everything that it decrypted', async () => {
    await lose()
    for (const name of ['alice.txt', 'identities/recipients.txt']) rmSync(join(root, name))
    const { identities } = await made(inDays(1))
    expect(readFileSync(join(root, 'identities/recipients.txt'), 'utf8')).toMatch(/^age1/m)
    expect(new X509Certificate(await identities.issue(EDGE, wish(), () => {})).issuer).toBe('CN=provision edge 2')
  })

  it('cannot be lost and present', async () => {
    await made()
    copyFileSync(join(root, PUBLIC_FILE), join(root, LOST_FILE))
    expect(await problemOf(() => made())).toMatchObject({ where: { file: LOST_FILE }, fix: 'delete one of the two files' })
  })
})

describe('an authority is a problem', () => {
  it('when its key is missing: no second one is created', async () => {
    await made()
    rmSync(join(root, KEY_FILE))
    const { where, fix } = await problemOf(() => made())
    expect(where).toEqual({ file: KEY_FILE })
    expect(fix).toContain('version control')
  })

  it.each([
    ['is cut', (pem: string) => pem.slice(0, 300)],
    ['is that of another domain', () => readFileSync(join(root, 'identities/authority-database-1.pem'), 'utf8')],
    ['was tampered with', (pem: string) => `${pem}${pem}${pem}`],
  ])('when its certificate %s', async (_, damage) => {
    await made()
    await made(START, 'database')
    writeFileSync(join(root, PUBLIC_FILE), damage(readFileSync(join(root, PUBLIC_FILE), 'utf8')))
    expect((await problemOf(() => made())).where).toEqual({ file: PUBLIC_FILE })
  })

  it('when its certificate and key do not match', async () => {
    await made()
    const pem = readFileSync(join(root, PUBLIC_FILE))
    rmSync(join(root, PUBLIC_FILE))
    rmSync(join(root, KEY_FILE))
    await made()
    writeFileSync(join(root, PUBLIC_FILE), pem)
    const { identities } = await made()
    expect((await problemOf(() => identities.issue(EDGE, wish(), () => {}))).what).toContain('does not belong')
  })

  it.each(['', 'Edge', '../edge', 'a.b', 'e'.repeat(40)])('when %o can be no domain', async (domain) => {
    expect((await problemOf(async () => (await open()).authority({ domain }))).what).toContain('trust domain')
  })
})

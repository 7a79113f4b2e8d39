import { execFileSync } from 'node:child_process'
import { createHmac, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import acme from 'acme-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hookPublisher } from '../../../src/acme/dns/hook.ts'
import type { Publisher } from '../../../src/acme/dns/publish.ts'
import { issueCertificate } from '../../../src/acme/issue.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { type FaultyAuthority, faultyAuthority, type Lie } from '../../e2e/support/services/faulty-authority.ts'

const NAMES = ['www.example.test', 'example.test']
const accountKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

let authority: FaultyAuthority
let url = ''
let request = ''
beforeAll(async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  authority = await faultyAuthority('127.0.0.1', port)
  url = `https://127.0.0.1:${port}/dir`
  const [, csr] = await acme.crypto.createCsr({ altNames: NAMES }, await acme.crypto.createPrivateEcdsaKey())
  request = csr.toString()
})
afterAll(() => authority.close())

const order = (lie: Lie, doing: (what: string) => void = () => {}) => {
  authority.lie = lie
  return issueCertificate({
    ...{ directory: 'https://ca.test/dir', url, ca: authority.ca, accountKey, contact: 'a@example.test', request, names: NAMES },
    doing,
  })
}

describe('an order', () => {
  it('returns the chain for the names and the key of the request, and shows its progress', async () => {
    const steps: string[] = []
    const leaf = new X509Certificate(await order('none', (what) => steps.push(what)))
    expect(leaf.subjectAltName).toBe('DNS:www.example.test, DNS:example.test')
    expect(steps).toEqual([
      'contacting the certificate authority',
      'ordering a certificate for www.example.test, example.test',
      'waiting for the certificate',
    ])
  })

  it.each<[Lie, string, string | RegExp]>([
    [
      'names',
      'certificate authority issued a certificate that differs from the order',
      'not in the certificate: www.example.test, example.test',
    ],
    [
      'key',
      'certificate authority issued a certificate that differs from the order',
      'the certificate does not belong to the key of the host',
    ],
    ['expired', 'certificate authority issued a certificate that differs from the order', /^the certificate expired on 20/],
    ['garbage', 'certificate authority issued a certificate that differs from the order', 'the answer is not a certificate'],
    ['limited', 'certificate authority limits the rate of requests', 'too many certificates'],
  ])('fails if the authority lies about it: %s', async (lie, what, why) => {
    await expect(order(lie)).rejects.toMatchObject({
      ...{ class: 'task', where: { host: 'controller', resource: 'acme-account:https://ca.test/dir' }, what },
      why: typeof why === 'string' ? why : expect.stringMatching(why),
      fix: expect.stringMatching(/present (one|certificate) stays in use|certificate stays in use/),
    })
  })

  it('fails if the authority is busy, and names the time to run again', { timeout: 20_000 }, async () => {
    await expect(order('busy')).rejects.toMatchObject({
      what: 'certificate authority does not serve requests at present',
      why: 'Service busy; retry later.',
      fix: 'run again in 60 minutes; the present certificate stays in use',
    })
  })
})

describe('an account with external account binding', () => {
  const hmacKey = Buffer.from('a key of the authority').toString('base64url')
  const bound = () =>
    issueCertificate({
      ...{ directory: 'https://ca.test/dir', url, ca: authority.ca, accountKey, contact: undefined, request, names: NAMES },
      externalAccount: { kid: 'kid-1', hmacKey: new Secret(hmacKey) },
      doing: () => {},
    })

  it('is signed with the key of the authority', async () => {
    authority.lie = 'none'
    authority.requests.splice(0)
    await bound()
    const account = authority.requests.find(({ path }) => path === '/account')?.payload as {
      externalAccountBinding?: { protected: string; payload: string; signature: string }
    }
    const { protected: head = '', payload = '', signature } = account.externalAccountBinding ?? {}
    const decoded = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString())
    expect(decoded(head)).toEqual({ alg: 'HS256', kid: 'kid-1', url: url.replace('/dir', '/account') })
    expect(decoded(payload)).toMatchObject({ kty: 'EC', crv: 'P-256' })
    const expected = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(`${head}.${payload}`).digest('base64url')
    expect(signature).toBe(expected)
    expect(JSON.stringify(authority.requests)).not.toContain(hmacKey)
  })

  it('is not mentioned to an authority that needs none', async () => {
    authority.requests.splice(0)
    await order('none')
    expect(JSON.stringify(authority.requests)).not.toContain('externalAccountBinding')
  })
})

describe('a profile', () => {
  const withProfile = (profile: string, meta: object | undefined) => {
    authority.lie = 'none'
    authority.meta = meta
    authority.requests.splice(0)
    return issueCertificate({
      ...{ directory: 'https://ca.test/dir', url, ca: authority.ca, accountKey, contact: undefined, request, names: NAMES, profile },
      doing: () => {},
    }).finally(() => {
      authority.meta = undefined
    })
  }
  const ordered = () => authority.requests.filter(({ path }) => path === '/new-order').map(({ payload }) => payload)
  const PROFILES = { profiles: { classic: 'as ever', shortlived: 'six days' } }

  it('is ordered', async () => {
    await withProfile('shortlived', PROFILES)
    expect(ordered()).toMatchObject([{ profile: 'shortlived' }])
    authority.requests.splice(0)
    await order('none')
    expect(ordered()[0]).not.toHaveProperty('profile')
  })

  it.each([
    [PROFILES, 'its profiles are classic, shortlived'],
    [undefined, 'its directory lists no profiles'],
  ])('that the authority does not offer is refused before an order', async (meta, why) => {
    await expect(withProfile('long', meta)).rejects.toMatchObject({ what: 'certificate authority has no profile long', why })
    expect(ordered()).toEqual([])
  })
})

describe('an IP address', () => {
  const ADDRESSES = ['192.0.2.1', '2001:db8::1']

  it('is ordered as an address, and must be in the certificate', async () => {
    // The host writes the request so (src/resource/certificate/apply.ts).
    const csr = execFileSync(
      'openssl',
      'req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /O=provision -addext'
        .split(' ')
        .concat('subjectAltName=IP:192.0.2.1,IP:2001:db8:0:0:0:0:0:1'),
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
    const issue = (names: readonly string[], publisher?: Publisher) =>
      issueCertificate({
        ...{ directory: 'https://ca.test/dir', url, ca: authority.ca, accountKey, contact: undefined, request: csr, names, publisher },
        doing: () => {},
      })
    authority.lie = 'none'
    authority.requests.splice(0)
    expect(new X509Certificate(await issue(ADDRESSES)).subjectAltName).toBe('IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1')
    expect(authority.requests.find(({ path }) => path === '/new-order')?.payload).toMatchObject({
      identifiers: ADDRESSES.map((value) => ({ type: 'ip', value })),
    })
    await expect(issue(['192.0.2.1'])).rejects.toMatchObject({
      what: expect.stringContaining('requested a certificate for names that differ'),
    })
    authority.challenges = ['dns-01']
    await expect(issue(ADDRESSES, hookPublisher(['true'], 'https://ca.test/dir'))).rejects.toMatchObject({
      why: expect.stringContaining('offers no HTTP-01 challenge'),
    })
    authority.challenges = undefined
    authority.lie = 'names'
    await expect(issue(ADDRESSES)).rejects.toMatchObject({ why: 'not in the certificate: 192.0.2.1, 2001:db8::1' })
  })
})

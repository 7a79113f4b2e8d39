import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import acme from 'acme-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate } from '../../../src/acme/issue.ts'
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

import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  crossSigned,
  dueOf,
  type Generation,
  generationName,
  generationNamed,
  lacksCrossSignature,
  readGeneration,
  unexpired,
} from '../../../src/authority/generation.ts'
import { openIdentities } from '../../../src/identities.ts'

const START = new Date('2026-11-23T12:00:00Z')
const at = (milliseconds: number): Date => new Date(milliseconds)
const DAY = 86_400_000
const NAME = 'web-01.edge.provision.internal'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'provision-generation-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const made = async (now = START, domain = 'edge') => {
  const identities = await openIdentities(root, { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }, () => now)
  const authority = identities.authority({ domain })
  for (const { key } of identities.missing()) await identities.make(key)
  return { identities, authority }
}
const requestFor = (name: string, names: readonly string[] = [name]): string => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(root, 'host.key')]
  const subject = name.length <= 64 ? `/CN=${name}` : '/O=provision'
  const words = ['req', '-new', ...key, '-subj', subject, '-addext', `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`]
  return execFileSync('openssl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}
const textOf = (pem: string): string => execFileSync('openssl', ['x509', '-noout', '-text'], { input: pem, encoding: 'utf8' })
const issued = async (names: readonly string[] = [NAME], lifetimeDays = 90): Promise<string> => {
  const { identities } = await made()
  const [first = ''] = names
  const leaf = { usages: ['server', 'client'] as const, lifetimeDays }
  return identities.issue('authority:edge', { request: requestFor(first, names), names, leaf }, () => {})
}

describe('a generation', () => {
  const generation = (more: Partial<Generation> = {}): Generation => ({
    ...{ number: 1, certificate: '', crossSigned: undefined, lost: false, from: 0, to: 300 },
    ...more,
  })

  it('is trusted until the moment it expires', () => {
    expect(unexpired([generation()], at(299))).toHaveLength(1)
    expect(unexpired([generation()], at(300))).toEqual([])
  })

  it('is succeeded after two thirds of its life, or at once if its key is lost', () => {
    expect(dueOf([], at(0))).toBe('not created yet')
    expect(dueOf([generation()], at(199))).toBeUndefined()
    expect(dueOf([generation()], at(200))).toBe('expires on 1970-01-01; until then hosts will trust it and its next generation')
    expect(dueOf([generation()], at(300))).toBe('expired on 1970-01-01')
    expect(dueOf([generation({ lost: true })], at(1))).toBe('its key is lost; hosts will trust it and its next generation')
    expect(dueOf([generation({ lost: true })], at(300))).toBe('expired on 1970-01-01')
    expect(dueOf([generation({ lost: true }), generation({ number: 2 })], at(1))).toBeUndefined()
  })

  it('must be trusted by all hosts before it signs, if a lost one could not sign it', () => {
    expect(lacksCrossSignature([generation({ lost: true }), generation()])).toBe(true)
    expect(lacksCrossSignature([generation({ lost: true }), generation({ crossSigned: 'x' })])).toBe(false)
    expect(lacksCrossSignature([generation(), generation()])).toBe(false)
    expect(lacksCrossSignature([generation({ lost: true })])).toBe(false)
  })

  it('is named in its certificate', () => {
    expect(generationName('edge', 12)).toBe('CN=provision edge 12')
    expect(generationNamed('edge', 'CN=provision edge 12')).toBe(12)
    for (const other of [
      'CN=provision edges 12',
      'CN=provision edge 012',
      'CN=provision edge 1234567',
      'provision edge 12',
      'CN=provision edge 12 ',
    ])
      expect(generationNamed('edge', other)).toBeUndefined()
  })
})

describe('the file of a generation', () => {
  it('may be read by everybody, and its key by nobody else', async () => {
    await made()
    const mode = (name: string): string => (statSync(join(root, 'identities', name)).mode & 0o777).toString(8)
    expect([mode('authority-edge-1.pem'), mode('authority-edge-1.age')]).toEqual(['644', '600'])
  })

  it('has its certificate, and that of its predecessor until this one expires', async () => {
    await made()
    const { authority } = await made(at(START.getTime() + 2500 * DAY))
    const text = readFileSync(join(root, 'identities/authority-edge-2.pem'), 'utf8')
    const second = readGeneration('edge', 2, text)
    expect(second).toMatchObject({ number: 2, lost: false, certificate: authority.trusted()[1] })
    const cross = second?.crossSigned ?? ''
    expect(new X509Certificate(cross).issuer).toBe('CN=provision edge 1')
    // In the chain of its predecessor, it signs only certificates of hosts, and for the same names.
    expect(textOf(cross)).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/)
    expect(textOf(cross)).toMatch(/Name Constraints: critical\s+Permitted:\s+DNS:edge\.provision\.internal/)
    const end = new X509Certificate(cross).validToDate.getTime()
    expect(end).toBe(new X509Certificate(authority.trusted()[0] ?? '').validToDate.getTime())
    expect(new X509Certificate(cross).validFromDate.getTime()).toBe(START.getTime() + 2500 * DAY - 3_600_000)
    if (second === undefined) throw new Error('not read')
    expect(crossSigned(second, at(end - 1))).toBe(cross)
    expect(crossSigned(second, at(end))).toBe('')
    expect(crossSigned({ ...second, crossSigned: undefined }, START)).toBe('')
  })

  it('is refused with anything else in it', async () => {
    const { authority } = await made()
    const [own = ''] = authority.trusted()
    const [other = ''] = (await made(START, 'database')).authority.trusted()
    const leaf = await issued()
    expect(readGeneration('edge', 1, own)?.certificate).toBe(own)
    for (const [number, text] of [
      [1, ''],
      [1, 'hello'],
      [1, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
      [2, own],
      [1, other],
      [1, leaf],
      [1, own + other],
      [1, own + own + own],
      [1, other + own],
    ] as const)
      expect(readGeneration('edge', number, text), `${number} ${text.length}`).toBeUndefined()
  })

  it('of a lost one may be the list of trusted certificates of a host', async () => {
    const { authority } = await made()
    const [own = ''] = authority.trusted()
    const [other = ''] = (await made(START, 'database')).authority.trusted()
    for (const text of [own, own + other, other + own])
      expect(readGeneration('edge', 1, text, true)).toMatchObject({ certificate: own, lost: true })
    expect(readGeneration('edge', 1, other, true)).toBeUndefined()
  })
})

describe('a certificate of a generation', () => {
  it('is of a host, which can sign no other', async () => {
    const text = textOf(await issued())
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/)
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/)
    expect(text).toMatch(/Extended Key Usage: ?\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/)
    // RFC 5280, 4.2.1.1 and 4.2.1.2: never critical.
    expect(text).toMatch(/Subject Key Identifier: ?\n/)
    expect(text).toMatch(/Authority Key Identifier: ?\n/)
    expect(text).toMatch(/Signature Algorithm: ecdsa-with-SHA256/)
  })

  it('is valid from a little before its creation', async () => {
    const from = async (days: number) => START.getTime() - new X509Certificate(await issued([NAME], days)).validFromDate.getTime()
    expect(await from(90)).toBe(3_600_000)
    expect(await from(1 / 12)).toBe(360_000)
  })

  it('has a positive serial number of its own, always of 16 bytes', async () => {
    const numbers = await Promise.all([1, 2, 3].map(async () => new X509Certificate(await issued()).serialNumber))
    for (const number of numbers) expect(number).toMatch(/^[4-7][0-9A-F]{31}$/)
    expect(new Set(numbers).size).toBe(3)
  })

  it('has the first name as its subject that fits', async () => {
    const zone = '.edge.provision.internal'
    const [fits, long] = [64, 65].map((length) => `${'a'.repeat(length - zone.length - 2)}.b${zone}`) as [string, string]
    expect(new X509Certificate(await issued([fits])).subject).toBe(`CN=${fits}`)
    expect(new X509Certificate(await issued([long])).subject).toBe('O=provision')
  })

  it('is signed for names of the domain only, and by an authority that exists', async () => {
    const { identities } = await made()
    const order = (names: readonly string[]) =>
      identities.issue(
        'authority:edge',
        { request: requestFor(names[0] ?? '', names), names, leaf: { usages: ['server'], lifetimeDays: 9 } },
        () => {},
      )
    await expect(order([NAME, 'www.example.org'])).rejects.toThrow('cannot sign for www.example.org')
    await expect(order([`${NAME}.evil.test`])).rejects.toThrow('cannot sign for')
    const fresh = await openIdentities(join(root, 'none'), { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }, () => START)
    fresh.authority({ domain: 'edge' })
    await expect(fresh.issue('authority:edge', { request: requestFor(NAME), names: [NAME] }, () => {})).rejects.toThrow(
      'before it was created',
    )
  })

  it('is signed for its names in any order and spelling', async () => {
    const { identities } = await made()
    const names = [NAME, 'a.edge.provision.internal']
    const leaf = { usages: ['server'] as const, lifetimeDays: 9 }
    for (const asked of [names.toReversed(), names.map((name) => name.toUpperCase())]) {
      const chain = await identities.issue('authority:edge', { request: requestFor(NAME, asked), names, leaf }, () => {})
      expect(new X509Certificate(chain).subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(', '))
    }
  })

  it('is not signed for a request with attributes besides its names', async () => {
    const { identities } = await made()
    const config = join(root, 'request.conf')
    writeFileSync(
      config,
      `[req]\nprompt = no\ndistinguished_name = name\nattributes = more\nreq_extensions = names\n[name]\nCN = ${NAME}\n[more]\nchallengePassword = secret\n[names]\nsubjectAltName = DNS:${NAME}\n`,
    )
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(root, 'host.key')]
    const request = execFileSync('openssl', ['req', '-new', ...key, '-config', config], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const leaf = { usages: ['server'] as const, lifetimeDays: 9 }
    await expect(identities.issue('authority:edge', { request, names: [NAME], leaf }, () => {})).rejects.toMatchObject({
      class: 'task',
      why: 'the request has additional attributes',
    })
  })

  it('needs the terms of the site', async () => {
    const { identities } = await made()
    const request = { request: requestFor(NAME), names: [NAME] }
    await expect(identities.issue('authority:edge', request, () => {})).rejects.toThrow('usages and lifetime are missing')
  })
})

describe('the name of a domain', () => {
  it.each(['edge', 'e', 'database-2', 'e'.repeat(31)])('may be %s', async (domain) => {
    expect((await made(START, domain)).authority).toMatchObject({ key: `authority:${domain}`, zone: `${domain}.provision.internal` })
  })

  it.each(['e'.repeat(32), '2edge', 'edge\n'])('may not be %o', async (domain) => {
    await expect(made(START, domain)).rejects.toMatchObject({
      ...{ class: 'input', where: { host: 'controller', resource: `authority:${domain}` }, what: 'name of a trust domain is invalid' },
    })
  })

  it('does not name files of other domains', async () => {
    await made()
    writeFileSync(join(root, 'identities/authority-edge-2.pem.txt'), 'hello')
    writeFileSync(join(root, 'identities/authority-edges-1.pem'), 'hello')
    writeFileSync(join(root, 'identities/authority-edge-0.pem'), 'hello')
    expect((await made()).authority.trusted()).toHaveLength(1)
  })
})

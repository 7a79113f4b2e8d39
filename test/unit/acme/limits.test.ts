import { describe, expect, it } from 'vitest'
import { type AcmeRequest, exceededLimit } from '../../../src/acme/limits.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 10, 23, 12)
const NAMES = ['www.provision.dev', 'provision.dev']
const requested = (outcome: AcmeRequest['outcome'], hoursAgo: number, names = NAMES, directory = 'letsencrypt'): AcmeRequest => ({
  directory,
  names,
  outcome,
  at: NOW - hoursAgo * HOUR,
})
const ahead = (past: readonly AcmeRequest[], directory = 'letsencrypt', names: readonly string[] = NAMES) =>
  exceededLimit(directory, names, past, NOW)

describe("an order that would exceed a limit of Let's Encrypt is not sent", () => {
  it('for the sixth certificate with the same names within a week, in any order', () => {
    const five = [1, 20, 40, 60, 160].map((hours) => requested('issued', hours, NAMES.toReversed()))
    expect(ahead(five.slice(1))).toBeUndefined()
    expect(ahead(five)).toMatchObject({
      what: expect.stringContaining('5 certificates'),
      fix: expect.stringContaining('2026-11-23 20:00 UTC'),
    })
    expect(ahead(five, 'letsencrypt', [...NAMES, ...NAMES])?.what).toContain('5 certificates')
    expect(ahead([...five.slice(1), requested('issued', 1, NAMES, 'https://ca.test/dir')])).toBeUndefined()
    expect(ahead([...five.slice(1), requested('failed', 1)])).toBeUndefined()
    expect(ahead([...five.slice(1), requested('issued', 169)])).toBeUndefined()
    expect(ahead([...five.slice(1), requested('issued', 1, ['provision.dev'])])).toBeUndefined()
  })

  it('for a name that failed validation five times within an hour', () => {
    const five = [0.1, 0.2, 0.3, 0.4, 0.9].map((hours) => requested('failed', hours, ['provision.dev']))
    expect(ahead(five.slice(1))).toBeUndefined()
    expect(ahead(five)?.what).toContain('could not validate provision.dev 5 times')
    expect(ahead(five, 'letsencrypt', ['www.provision.dev'])).toBeUndefined()
    expect(ahead([...five.slice(1), requested('failed', 1.1, ['provision.dev'])])).toBeUndefined()
    expect(ahead([...five.slice(1), requested('issued', 0.1, ['provision.dev'])])).toBeUndefined()
  })

  it.each([
    ['www.example.test', /certificates for www\.example\.test$/],
    ['db.internal', /certificates for db\.internal$/],
    ['nas.home.arpa', /certificates for nas\.home\.arpa$/],
    ...['example', 'invalid', 'localhost', 'local', 'onion', 'alt', 'lan', 'home', 'corp'].map((domain): [string, RegExp] => [
      `a.${domain}`,
      new RegExp(`certificates for a\\.${domain}$`),
    ]),
  ])('for a private name: %s', (name, what) => {
    expect(ahead([], 'letsencrypt-staging', [name])?.what).toMatch(what)
    expect(ahead([], 'https://ca.test/dir', [name])).toBeUndefined()
  })

  it('for more names than one certificate may have', () => {
    expect(
      ahead(
        [],
        'letsencrypt',
        Array.from({ length: 101 }, (_, i) => `n${i}.provision.dev`),
      )?.what,
    ).toBe("certificate has 101 names, more than Let's Encrypt permits")
  })

  it('unless the directory is staging, or an authority whose limits are not known', () => {
    const many = Array.from({ length: 9 }, () => [requested('issued', 1), requested('failed', 0.1)]).flat()
    for (const directory of ['letsencrypt-staging', 'https://ca.test/dir'])
      expect(
        ahead(
          many.map((one) => ({ ...one, directory })),
          directory,
        ),
      ).toBeUndefined()
  })
})

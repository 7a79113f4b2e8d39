import { describe, expect, it } from 'vitest'
import { type Asked, refusedAhead } from '../../../src/acme/limits.ts'

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 10, 23, 12)
const NAMES = ['www.provision.dev', 'provision.dev']
const asked = (outcome: Asked['outcome'], hoursAgo: number, names = NAMES, directory = 'letsencrypt'): Asked => ({
  directory,
  names,
  outcome,
  at: NOW - hoursAgo * HOUR,
})
const ahead = (past: readonly Asked[], directory = 'letsencrypt', names: readonly string[] = NAMES) =>
  refusedAhead(directory, names, past, NOW)

describe("what Let's Encrypt would refuse is not asked", () => {
  it('the sixth certificate for the same names within a week, whatever their order', () => {
    const five = [1, 20, 40, 60, 160].map((hours) => asked('issued', hours, NAMES.toReversed()))
    expect(ahead(five.slice(1))).toBeUndefined()
    expect(ahead(five)).toMatchObject({
      what: expect.stringContaining('5 certificates'),
      fix: expect.stringContaining('2026-11-23 20:00 UTC'),
    })
    expect(ahead([...five.slice(1), asked('issued', 169)])).toBeUndefined()
    expect(ahead([...five.slice(1), asked('issued', 1, ['provision.dev'])])).toBeUndefined()
  })

  it('a name that it could not verify five times within the hour', () => {
    const five = [0.1, 0.2, 0.3, 0.4, 0.9].map((hours) => asked('failed', hours, ['provision.dev']))
    expect(ahead(five.slice(1))).toBeUndefined()
    expect(ahead(five)?.what).toContain('could not verify provision.dev 5 times')
    expect(ahead(five, 'letsencrypt', ['www.provision.dev'])).toBeUndefined()
  })

  it.each([
    ['www.example.test', /not www\.example\.test/],
    ['db.internal', /not db\.internal/],
    ['nas.home.arpa', /not nas\.home\.arpa/],
  ])('a name that is not public: %s', (name, why) => {
    expect(ahead([], 'letsencrypt-staging', [name])?.why).toMatch(why)
    expect(ahead([], 'https://ca.test/dir', [name])).toBeUndefined()
  })

  it('more names than fit into one certificate', () => {
    expect(
      ahead(
        [],
        'letsencrypt',
        Array.from({ length: 101 }, (_, i) => `n${i}.provision.dev`),
      )?.why,
    ).toBe('101 were asked for')
  })

  it('but staging is for trials, and of other authorities nothing is known', () => {
    const many = Array.from({ length: 9 }, () => [asked('issued', 1), asked('failed', 0.1)]).flat()
    for (const directory of ['letsencrypt-staging', 'https://ca.test/dir'])
      expect(
        ahead(
          many.map((one) => ({ ...one, directory })),
          directory,
        ),
      ).toBeUndefined()
  })
})

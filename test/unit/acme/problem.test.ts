import { expect, it } from 'vitest'
import { refusalProblem } from '../../../src/acme/problem.ts'

const ERRORS = 'urn:ietf:params:acme:error:'

it.each<[number, object, string | undefined, string, string]>([
  [
    429,
    { type: `${ERRORS}rateLimited`, detail: 'too many' },
    '3600',
    'limits the rate of requests',
    'run again in 60 minutes; use letsencrypt-staging',
  ],
  [429, { detail: 'too many' }, undefined, 'limits the rate of requests', 'run again later; use letsencrypt-staging'],
  [503, { detail: 'busy' }, '90', 'does not serve requests at present', 'run again in 2 minutes; the present certificate stays in use'],
  [500, { type: `${ERRORS}serverInternal`, detail: 'x' }, undefined, 'does not serve requests at present', 'run again later; the present'],
  [502, {}, 'Wed, 21 Oct 2026 07:28:00 GMT', 'does not serve requests at present', 'run again after Wed, 21 Oct 2026 07:28:00 GMT; the'],
  [503, {}, '60 s', 'does not serve requests at present', 'run again after 60 s; the'],
  [503, {}, 'in 60', 'does not serve requests at present', 'run again after in 60; the'],
  [499, {}, undefined, 'refused the request', 'look up the reason'],
  [400, { type: `${ERRORS}rateLimited` }, undefined, 'limits the rate of requests', 'run again later'],
  [
    403,
    { type: `${ERRORS}caa`, detail: 'x' },
    undefined,
    'CAA record of the domain excludes this authority',
    "add the authority to the domain's CAA records",
  ],
  [403, { type: 'about:blank' }, undefined, 'refused the request', 'look up the reason'],
])('an answer %i %j is reported with a fix', (status, refusal, retryAfter, what, fix) => {
  expect(refusalProblem('letsencrypt', status, refusal, retryAfter)).toMatchObject({
    class: 'task',
    where: { host: 'controller', resource: 'acme-account:letsencrypt' },
    what: expect.stringContaining(what),
    fix: expect.stringMatching(new RegExp(`^${fix.replace(/[.*+?^$()|[\]\\]/g, '\\$&')}`)),
  })
})

it('a refusal names each refused identifier', () => {
  const subproblems = [{ identifier: { value: 'a.test' }, detail: 'no' }, { detail: 'why' }, {}]
  expect(refusalProblem('letsencrypt', 400, { detail: 'two names', subproblems }, undefined).why).toBe(
    'two names\na.test: no\nrequest: why\nrequest: no reason given',
  )
})

import { expect, test } from 'vitest'
import { Problem, type ProblemParts } from '../../../src/problem.ts'
import { cards } from '../../../src/report/card.ts'
import { plainView } from './values.ts'

const problem = (host: string, parts: Partial<ProblemParts> = {}): Problem =>
  new Problem({ class: 'unreachable', where: { host }, what: 'it failed', fix: 'mend it', ...parts })

test('hosts that fail alike share a card, with placeholders for their names and addresses and the reason of one', () => {
  const unknown = (host: string, address: string, key: string): Problem =>
    problem(host, {
      what: `host key of ${host} is not known`,
      why: `${address} presents ssh-ed25519 SHA256:${key}`,
      fix: `compare the fingerprint with the host’s own, then: provision trust ${host}`,
    })
  expect(
    cards([unknown('web-1', '10.0.0.11', 'a+/b'), unknown('web-2', 'fd00::12', 'c'), unknown('web-10', '10.0.0.20', 'd')], plainView),
  ).toBe(`✖ web-1 web-2 web-10
  what host key of HOST is not known
  why  web-1: 10.0.0.11 presents ssh-ed25519 SHA256:a+/b
  fix  compare the fingerprint with the host’s own, then: provision trust HOST
`)
})

test('a text that is the same for all hosts stays as it is', () => {
  const same = { what: 'jump host gate-1 cannot be used: 10.0.0.1, port 22 refused the connection', why: 'no route' }
  expect(cards([problem('web-1', same), problem('web-2', same)], plainView)).toBe(`✖ web-1 web-2
  what ${same.what}
  why  no route
  fix  mend it
`)
})

test('hosts that fail in different ways have their own cards, and so have resources', () => {
  const [one, two] = [
    problem('a', { what: '10.0.0.1, port 22 refused the connection' }),
    problem('b', { what: 'login as ops was refused' }),
  ]
  expect(cards([one, two], plainView).split('\n\n')).toHaveLength(2)
  expect(cards([problem('a', { why: 'x' }), problem('b', { why: 'y' })], plainView).split('\n\n')).toHaveLength(2)
  expect(cards([problem('a'), problem('b', { class: 'task' })], plainView).split('\n\n')).toHaveLength(2)
  const at = (host: string): Problem => problem(host, { where: { host, role: 'nginx', resource: 'file:/x' } })
  expect(cards([at('a'), at('b')], plainView).split('\n\n')).toHaveLength(2)
})

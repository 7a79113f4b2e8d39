import { describe, expect, it } from 'vitest'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import nginx from '../../../../roles/nginx/role.ts'
import { certificate } from '../../../../src/resource/certificate/certificate.ts'
import { hostNameProblem } from '../../../../src/site/schema/names.ts'
import { punycodeOf } from '../../../../src/site/schema/punycode.ts'
import { zodProblems } from '../../../../src/site/schema/zod.ts'

const where = { file: 'site.yaml', line: 1 }

describe('an internationalized host name', () => {
  it.each([
    ['bücher.example', 'xn--bcher-kva.example'],
    ['bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['*.Bücher.example', '*.xn--bcher-kva.example'],
    ['info@bücher.example', 'info@xn--bcher-kva.example'],
    ['https://bücher.example:8080/hook', 'https://xn--bcher-kva.example:8080/hook'],
    ['www.example.org', undefined],
    ['bü cher.example', undefined],
    ['müller@example.org', undefined],
    ['https://example.org/bücher', undefined],
    ['xn--ü', undefined],
  ])('has a form in ASCII: %s', (name, ascii) => {
    expect(punycodeOf(name)).toBe(ascii)
  })

  const { schema } = certificate.kind
  const pair = { stage: 'placeholder', path: '/etc/ssl/a.pem' }
  const certificates = [{ names: ['a.test'] }]
  it.each([
    [haproxy.options, { certificates: [{ names: ['a.test', 'bücher.example'] }] }, 'xn--bcher-kva.example'],
    [haproxy.options, { certificates: [{ names: ['*.bücher.example'] }] }, '*.xn--bcher-kva.example'],
    [haproxy.options, { certificates, sites: [{ names: ['bücher.example'] }] }, 'xn--bcher-kva.example'],
    [haproxy.options, { certificates, health_host: 'bücher.example' }, 'xn--bcher-kva.example'],
    [haproxy.options, { certificates, acme: { contact: 'a@bücher.example' } }, 'a@xn--bcher-kva.example'],
    [nginx.options, { sites: [{ name: 'a', hosts: ['bücher.example'], content: 'a' }] }, 'xn--bcher-kva.example'],
    [nginx.options, { sites: [{ name: 'a', proxy: 'http://bücher.example:80' }] }, 'http://xn--bcher-kva.example:80'],
    [schema, { ...pair, names: ['bücher.example'] }, 'xn--bcher-kva.example'],
  ])('is written in ASCII by the fix: %#', (options, value, ascii) => {
    const { error } = (options as typeof haproxy.options).safeParse(value)
    if (error === undefined) throw new Error('accepted')
    const problems = zodProblems(error, { value, whereOf: () => where }, 'role', options as typeof haproxy.options)
    expect(problems.map(({ fix }) => fix)).toEqual([`write the name in punycode: ${ascii}`])
  })

  it('is not proposed where a name would be invalid in ASCII too', () => {
    const value = { certificates: [{ names: ['ü'] }] }
    const { error } = haproxy.options.safeParse(value)
    if (error === undefined) throw new Error('accepted')
    expect(zodProblems(error, { value, whereOf: () => where }, 'role', haproxy.options)[0]?.fix).not.toContain('punycode')
  })

  it('of the inventory keeps its letters in the proposal', () => {
    expect(hostNameProblem('bücher.example')?.fix).toContain('for example `xn--bcher-kva.example`')
  })
})

describe('monitoring', () => {
  it('proposes mail addresses and servers in punycode', () => {
    const mail = { name: 'admins', type: 'email', to: ['ops@bücher.example'], from: 'a@b.example', server: 'bücher.example:25' }
    const { error } = monitoring.options.safeParse({ receivers: [mail] })
    const fixes = zodProblems(
      error ?? expect.fail('accepted'),
      { value: { receivers: [mail] }, whereOf: () => where },
      'role',
      monitoring.options,
    )
    expect(fixes.map(({ fix }) => fix)).toEqual(
      ['ops@xn--bcher-kva.example', 'xn--bcher-kva.example:25'].map((ascii) => `write the name in punycode: ${ascii}`),
    )
  })
})

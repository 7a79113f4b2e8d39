import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { lineOf } from '../../../../src/problem.ts'
import { secret } from '../../../../src/resource/kind/secret.ts'
import { bindRoles } from '../../../../src/role/bind.ts'
import { defineRole } from '../../../../src/role/role.ts'
import { siteOf } from '../project.ts'

const inventory = `vars:
  user: ops
  sudo_password: hush
  passphrase: '\${env:SHORT}'
hosts: { one: { address: 192.0.2.1 }, two: { address: 192.0.2.2 } }
groups:
  web:
    hosts: [one, two]
    vars:
      nginx:
        first: abc
        second: '\${env:DIGITS}'
        third: 'https://ann:\${command:echo pin}@example.test'
        fourth: '\${env:LONG}'
        fifth: 'long enough in the clear'
        plain: abc
`
const env = { SHORT: 'x9', DIGITS: '123456789', LONG: 'a-real-password', PATH: process.env.PATH }
const role = defineRole({
  name: 'nginx',
  summary: 'takes secrets',
  options: z.strictObject({ first: secret(), second: secret(), third: secret(), fourth: secret(), fifth: secret(), plain: z.string() }),
  resources: () => [],
})

describe('a secret that is too short to be masked in other text', () => {
  test('is reported with its position, once, without its value', async () => {
    const site = await siteOf(inventory, { playbook: '- hosts: web\n  roles: [nginx]\n', env })
    const lines = [...new Set([...site.warnings, ...bindRoles(site, new Map([['nginx', role]])).warnings].map(lineOf))]
    const short = (place: string, name: string): string =>
      `inventory/hosts.yaml:${place}: \`${name}\` is too short to be masked within other text: use at least 12 characters`
    expect(lines).toEqual([
      short('4:15', `\${env:SHORT}`),
      short('12:17', `\${env:DIGITS}`),
      short('13:16', `\${command:echo pin}`),
      short('3:18', 'sudo_password'),
      short('11:16', 'first'),
    ])
    for (const value of ['hush', 'x9', '123456789', 'abc']) expect(lines.join()).not.toContain(value)
  })

  test('is reported in the playbook too', async () => {
    const site = await siteOf('hosts: { one: { address: 192.0.2.1 } }\n', {
      playbook: `- hosts: one\n  roles: [{ nginx: { first: "\${env:SHORT}" } }]\n`,
      env,
    })
    expect(site.warnings.map(lineOf)).toEqual([expect.stringMatching(/^playbooks\/site\.yaml:2:\d+: `\$\{env:SHORT\}` is too short/)])
  })
})

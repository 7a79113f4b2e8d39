import { expect, test } from 'vitest'
import { z } from 'zod'
import { isSecret } from '../../../../src/secret/secret.ts'
import { checkOptions } from '../../../../src/site/schema/zod.ts'
import { locatedValue } from '../../../../src/site/source/source-map.ts'
import { isExact } from '../../../../src/site/yaml/exact-number.ts'
import { parseYaml } from '../../../../src/site/yaml/yaml.ts'
import { project, siteOf } from '../project.ts'

const fixesFor = (yaml: string, schema: z.ZodType): readonly string[] => {
  const { root, problems } = parseYaml('a.yaml', yaml)
  if (root === undefined) throw new Error('empty')
  const checked = checkOptions(schema, locatedValue(root), 'role demo')
  return [...problems, ...(checked.problems ?? [])].map(({ what, fix }) => `${what} → ${fix}`)
}

test.each(['0o644', '0644', '1.10', '1e3', '0x1F', '+5', 'True', '00.50'])('a hint quotes %s as it is written in the file', (written) => {
  expect(fixesFor(`v: ${written}\n`, z.strictObject({ v: z.string() }))).toEqual([
    `\`v\` must be text, not ${written} → put it in quotes: '${written}'`,
  ])
  const value = parseYaml('a.yaml', `v: '${written}'\n`).root
  expect(value && locatedValue(value).value).toEqual({ v: written })
})

test('a hint quotes numbers in lists, in unions, and beside a bound, as they are written in the file', () => {
  const schema = z.strictObject({ l: z.array(z.string()), u: z.union([z.string(), z.array(z.string())]), n: z.int().max(9) })
  expect(fixesFor('l: [1.20]\nu: 0o17\nn: 0x10\n', schema)).toEqual([
    "`l[0]` must be text, not 1.20 → put it in quotes: '1.20'",
    '`u` must be text or a list, not 0o17 → write text or a list',
    '`n`: 0x10 must be at most 9 → write a number of at most 9',
  ])
})

test.each([
  '18446744073692774399',
  '9007199254740993',
  '-9007199254740993',
  '0.1234567890123456789',
  '1e400',
  '0xFFFFFFFFFFFFFFFFFF',
  '1e-400',
])('the number %s is an input error, because it cannot be kept exactly', (written) => {
  const { problems } = parseYaml('a.yaml', `a:\n  - v: ${written}\n`)
  expect(problems).toMatchObject([
    {
      class: 'input',
      where: { file: 'a.yaml', line: 2, column: 8 },
      what: `number ${written} has too many digits to be kept exactly`,
      fix: `put it in quotes if it is text: '${written}'`,
    },
  ])
})

test.each([
  ['0', 0],
  ['-0', -0],
  ['0.0', 0],
  ['1.10', 1.1],
  ['+5', 5],
  ['0644', 644],
  ['1.', 1],
  ['.5', 0.5],
  ['1e3', 1000],
  ['1.5E+300', 1.5e300],
  ['9007199254740992', 2 ** 53],
  ['100000000000000000000000', 1e23],
  ['0o644', 0o644],
  ['.inf', Number.POSITIVE_INFINITY],
])('the number %s is exact', (written, value) => {
  expect(isExact(written, value)).toBe(true)
})

test('a secret is the text of its file, also if YAML reads a number', async () => {
  const { encrypt } = await import('../../../../src/keystore/age.ts')
  const { ensureAgeKey } = await import('../../../../src/keystore/age-key.ts')
  const { readProject } = await import('../../../../src/site/read.ts')
  const { buildSite } = await import('../../../../src/site/build.ts')
  const values = ['00123456', '1.1000000', '18446744073692774399', '0x1F000000', 'True', '1e9']
  const secrets = values.map((value, i) => `s${i}: ${value}\n`).join('')
  const hosts = values.map((_, i) => `  h${i}: { address: 10.0.0.${i + 1}, sudo_password: '\${secret:s${i}}' }\n`).join('')
  const root = project({ 'inventory/hosts.yaml': `hosts:\n${hosts}` })
  const env = { HOME: root, PROVISION_AGE_KEY_FILE: `${root}/age.txt` }
  const { recipients } = await ensureAgeKey(root, env)
  const { writeFileSync } = await import('node:fs')
  writeFileSync(`${root}/inventory/secrets.yaml`, await encrypt(secrets, recipients))
  const site = buildSite(await readProject({ root, env, playbooks: [] }), { knownRoles: [] })
  const passwords = [...site.hosts.values()].map(({ connection: { sudoPassword } }) => isSecret(sudoPassword) && sudoPassword.reveal())
  expect(passwords).toEqual(values)
})

test('a bare reference that gives a number is quoted as the reference', async () => {
  const problems = await siteOf(`hosts:\n  a:\n    address: 10.0.0.1\n    user: \${env:ID:plain}\n`, { env: { ID: '1000' } }).catch(
    (error) => error.problems,
  )
  expect(problems).toMatchObject([{ what: `\`user\` must be text, not \${env:ID:plain}`, fix: `put it in quotes: '\${env:ID:plain}'` }])
})

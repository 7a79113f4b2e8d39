import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { generateIdentity, recipientOf } from '../../../src/keystore/age.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { isSecret } from '../../../src/secret/secret.ts'
import { buildSite } from '../../../src/site/build.ts'
import { describeInventory, describeVariables } from '../../../src/site/describe.ts'
import { readProject, readSecrets, secretsPathOf } from '../../../src/site/read.ts'
import { encryptSecrets } from '../../../src/site/secrets.ts'
import { project, siteOf } from './project.ts'

// This value must appear only where it is revealed.
const POISON = 'poison-4711'

const knownRoles = ['nginx']

const reveal = (value: unknown): string | undefined => (isSecret(value) ? value.reveal() : undefined)

const everything = (site: Parameters<typeof describeInventory>[0]): string =>
  [
    inspect(site, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
    JSON.stringify(site),
    JSON.stringify([...site.hosts.values()].map((host) => [host, [...host.vars.values()]])),
    JSON.stringify(describeInventory(site)),
    ...[...site.hosts.values()].map((host) => JSON.stringify(describeVariables(host))),
  ].join('\n')

const withSecrets = async (inventory: string, secrets: string) => {
  const root = project({ 'inventory/hosts.yaml': inventory })
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const { recipients } = await ensureAgeKey(root, env)
  const path = secretsPathOf(root)
  writeFileSync(join(root, path), await encryptSecrets(path, secrets, recipients))
  return { root, env, path }
}

const inventory = `
hosts:
  web-01:
    sudo_password: \${secret:sudo.password}
    vars:
      nginx: {url: "https://admin:\${secret:nginx.token}@example.com", list: ["\${secret:nginx.token}"]}
`

test('secrets.yaml is decrypted in memory, and its values are masked everywhere', async () => {
  const { root, env, path } = await withSecrets(inventory, `sudo: {password: ${POISON}}\nnginx: {token: ${POISON}-2}\n`)
  expect(readFileSync(join(root, path), 'utf8')).not.toContain(POISON)
  const site = buildSite(await readProject({ root, env, playbooks: [] }), { knownRoles })
  const host = site.hosts.get('web-01')
  expect(host?.connection.sudoPassword?.reveal()).toBe(POISON)
  const nginx = host?.vars.get('nginx')?.value as { url: unknown; list: unknown[] }
  expect(reveal(nginx.url)).toBe(`https://admin:${POISON}-2@example.com`)
  expect(reveal(nginx.list[0])).toBe(`${POISON}-2`)
  expect(everything(site)).not.toContain(POISON)
  expect(describeInventory(site).hosts['web-01']?.vars).toEqual({ sudo_password: '•••', nginx: { url: '•••', list: ['•••'] } })
})

test('the raw project does not contain secrets as text', async () => {
  const { root, env } = await withSecrets(inventory, `sudo: {password: ${POISON}}\nnginx: {token: x}\n`)
  expect(inspect(await readProject({ root, env, playbooks: [] }), { depth: null })).not.toContain(POISON)
})

test.each([
  [
    'a misspelt name',
    `sudo: {pasword: ${POISON}}\nnginx: {token: x}\n`,
    'inventory/hosts.yaml:4:20: inventory/secrets.yaml has no `sudo.password`',
  ],
  [
    'a map',
    `sudo: {password: {old: ${POISON}}}\nnginx: {token: x}\n`,
    'inventory/hosts.yaml:4:20: `sudo.password` in inventory/secrets.yaml is not a single value',
  ],
])('a reference to %s is an error that does not contain the value', async (_, secrets, message) => {
  const { root, env } = await withSecrets(inventory, secrets)
  const raw = await readProject({ root, env, playbooks: [] })
  expect(() => buildSite(raw, { knownRoles })).toThrow(message)
  expect(() => buildSite(raw, { knownRoles })).not.toThrow(POISON)
})

test('a missing key is reported once, with the file that needs it', async () => {
  const { root, path } = await withSecrets(inventory, 'sudo: {password: a}\nnginx: {token: b}\n')
  const stranger = { PROVISION_AGE_KEY_FILE: join(root, 'other.txt') }
  writeFileSync(join(root, 'other.txt'), (await generateIdentity()).reveal())
  chmodSync(join(root, 'other.txt'), 0o600)
  const { problems } = await readProject({ root, env: stranger, playbooks: [] })
  expect(problems.map(({ message }) => message)).toEqual(['inventory/secrets.yaml: file cannot be decrypted with your age key'])
  const missing = await readProject({ root, env: { PROVISION_AGE_KEY_FILE: '/nonexistent/age.txt' }, playbooks: [] })
  const message = (() => {
    try {
      buildSite(missing, { knownRoles })
      return 'nothing'
    } catch (error) {
      return String(error)
    }
  })()
  expect(message).toBe('Problems: /nonexistent/age.txt: age key file does not exist')
  await expect(readSecrets({ root, path, env: stranger })).rejects.toThrow('cannot be decrypted')
})

test('secrets that nothing refers to need no key', async () => {
  const { root } = await withSecrets('hosts: {web-01: {}}\n', 'a: b\n')
  const raw = await readProject({ root, env: {}, playbooks: [] })
  expect(raw.secrets).toBeUndefined()
  expect(buildSite(raw, { knownRoles }).hosts.size).toBe(1)
})

test('a file that is not a YAML map is not encrypted, and the error does not contain it', async () => {
  const recipients = [await recipientOf(await generateIdentity())]
  await expect(encryptSecrets('inventory/secrets.yaml', `- ${POISON}\n`, recipients)).rejects.toThrow(
    'inventory/secrets.yaml:1:1: secrets file is not a map',
  )
  const refusal = await encryptSecrets('inventory/secrets.yaml', `a: 1\n- ${POISON} : : x\n`, recipients).catch((error: unknown) => error)
  expect(inspect(refusal, { depth: null })).toContain('inventory/secrets.yaml:2:1')
  expect(inspect(refusal, { depth: null })).not.toContain(POISON)
})

test('env references are secrets unless they are marked as plain', async () => {
  const env = { TOKEN: POISON, PORT: '2222', NAME: 'ops', DIGITS: '007', QUOTED: '12' }
  const site = await siteOf(
    `
hosts:
  web-01:
    port: \${env:PORT:plain}
    user: \${env:NAME:plain}
    vars:
      nginx:
        token: Bearer \${env:TOKEN}
        digits: \${env:DIGITS:plain}
        quoted: "\${env:QUOTED:plain}"
        mixed: \${env:NAME:plain}-\${env:PORT:plain}
        shell: \${HOME} $\${env:TOKEN} $\${other:x} \${request:uri}
`,
    { env },
  )
  const host = site.hosts.get('web-01')
  expect(host?.connection).toMatchObject({ port: 2222, user: 'ops' })
  const nginx = host?.vars.get('nginx')?.value as Readonly<Record<string, unknown>>
  expect(reveal(nginx.token)).toBe(`Bearer ${POISON}`)
  expect(nginx).toMatchObject({
    digits: '007',
    quoted: '12',
    mixed: 'ops-2222',
    shell: `\${HOME} \${env:TOKEN} $\${other:x} \${request:uri}`,
  })
  expect(everything(site)).not.toContain(POISON)
})

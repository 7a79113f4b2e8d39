import { appendFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createKeys, deleteKeys, renewerOf } from '../../../src/cli/renewer.ts'
import { command as schedule } from '../../../src/cli/schedule.ts'
import { command as secrets } from '../../../src/cli/secrets.ts'
import { newKey } from '../../../src/host/ssh/new-key.ts'
import { encrypt } from '../../../src/keystore/age.ts'
import { ensureAgeKey } from '../../../src/keystore/age-key.ts'
import { readProject, readSecrets } from '../../../src/site/read.ts'
import { project } from '../site/project.ts'
import { testContext } from './context.ts'

const INVENTORY = (reference: string) => `vars: { user: ops, sudo_password: '${reference}' }
hosts: { lb-01: { address: 192.0.2.1 }, web-01: { address: 192.0.2.2 } }
groups:
  load_balancers:
    hosts: [lb-01]
    vars: { haproxy-tls: { certificates: [{ names: [www.example.org] }], acme: { directory: letsencrypt-staging } } }
  web: { hosts: [web-01], vars: { nginx: { content: page } } }
`
const PLAYBOOK = '- { hosts: web, roles: [nginx] }\n- { hosts: load_balancers, roles: [haproxy-tls] }\n'

/** A project whose inventory uses a secret, the administrator's context, and the environment of the scheduled run. */
const site = async (reference: string) => {
  const root = project({ 'inventory/site.yaml': INVENTORY(reference), 'playbooks/site.yaml': PLAYBOOK, 'page/index.html': 'hello' })
  const env = { HOME: root, PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const { recipients } = await ensureAgeKey(root, env)
  writeFileSync(join(root, 'inventory/secrets.yaml'), await encrypt('sudo: geheim-wie-nie\n', recipients), { mode: 0o600 })
  const context = testContext({ directory: root, env })
  const run = async (which: typeof schedule, ...positionals: readonly string[]): Promise<string> => {
    const one = testContext({ directory: root, env })
    expect(await which.run({ positionals, rest: [], values: {} }, one)).toBe(0)
    return one.output.out + one.output.err
  }
  const renewer = renewerOf(context)
  const asRenewer = { HOME: root, PROVISION_AGE_KEY_FILE: renewer.ageKey }
  const path = 'inventory/secrets.yaml'
  const scheduledRead = async (file = path): Promise<string | undefined> =>
    await readSecrets({ root, path: file, env: asRenewer }).then(
      (text) => text?.reveal(),
      () => undefined,
    )
  return { root, env, context, run, renewer, asRenewer, path, scheduledRead }
}

test('a scheduled run of an inventory with secrets decrypts its secrets.yaml, also after edit and rotate, until it is removed', async () => {
  const { root, env, context, run, renewer, asRenewer, path, scheduledRead } = await site(`\${secret:sudo}`)
  mkdirSync(join(root, 'other'))
  writeFileSync(join(root, 'other/secrets.yaml'), readFileSync(join(root, path)))

  const printed = await run(schedule, 'print')
  expect(printed).toContain(`The inventory uses ${path}, so ${renewer.ageKey} decrypts every secret in it.`)
  expect(printed).not.toContain('geheim')
  expect(await scheduledRead()).toBe('sudo: geheim-wie-nie\n')
  expect(await scheduledRead('other/secrets.yaml')).toBeUndefined()
  expect(statSync(renewer.ageKey).mode & 0o777).toBe(0o600)
  // Everything that the scheduled run reads.
  expect((await readProject({ root, env: asRenewer })).problems).toEqual([])

  const rotated = await run(secrets, 'rotate')
  expect(rotated).toContain(
    'Encrypted for 1 recipient in identities/recipients.txt, and for 1 scheduled run in identities/renewal-recipients.txt:',
  )
  expect(await scheduledRead()).toBe('sudo: geheim-wie-nie\n')

  // Another inventory is not shared with the scheduled run.
  expect(
    await secrets.run(
      { positionals: ['rotate'], rest: [], values: { inventory: 'other' } as never },
      testContext({ directory: root, env }),
    ),
  ).toBe(0)
  expect(await scheduledRead('other/secrets.yaml')).toBeUndefined()

  const editor = join(root, 'editor')
  writeFileSync(editor, '#!/bin/sh\necho "mail: geheim-zwei" >>"$1"\n', { mode: 0o755 })
  const editing = testContext({ directory: root, env: { ...env, PATH: process.env.PATH, EDITOR: editor }, ask: async () => 'n' })
  expect(await secrets.run({ positionals: ['edit'], rest: [], values: {} }, editing)).toBe(0)
  expect(await scheduledRead()).toBe('sudo: geheim-wie-nie\nmail: geheim-zwei\n')

  const recipient = readFileSync(join(root, 'identities/renewal-recipients.txt'), 'utf8').match(/age1[0-9a-z]+/)?.[0] ?? ''
  await createKeys(renewer, path, context)
  expect(readFileSync(join(root, 'identities/renewal-recipients.txt'), 'utf8').match(/^age1.*$/gm)).toEqual([
    recipient,
    `${recipient} ${path}`,
  ])

  const kept = readFileSync(renewer.ageKey)
  await deleteKeys(renewer, context)
  mkdirSync(renewer.directory, { recursive: true })
  writeFileSync(renewer.ageKey, kept, { mode: 0o600 })
  expect(await scheduledRead()).toBeUndefined()
  expect((await readSecrets({ root, path, env }))?.reveal()).toContain('geheim-zwei')
  expect(readFileSync(join(root, 'identities/renewal-recipients.txt'), 'utf8')).not.toContain('age1')
})

test('a scheduled run of an inventory without secrets decrypts no secrets.yaml', async () => {
  const { run, scheduledRead } = await site('in the clear')
  expect(await run(schedule, 'print')).not.toContain('decrypts every secret')
  expect(await scheduledRead()).toBeUndefined()
})

test('the lines for its account name the renewal only, and are printed until the inventory has them', async () => {
  const { root, run } = await site('in the clear')
  const ann = { name: 'ann', keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C ann'] }
  const rewrite = (from: string, to: string): void => {
    const path = join(root, 'inventory/site.yaml')
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
  }
  writeFileSync(join(root, 'playbooks/site.yaml'), `- { hosts: all, roles: [base] }\n${PLAYBOOK}`)
  rewrite('vars: {', `vars: { base: { administrators: [${JSON.stringify(ann)}] },`)

  const printed = await run(schedule, 'print')
  expect(printed).toContain('provision run --role base --limit load_balancers\n\ngroups:\n')
  expect(printed).not.toContain('"ann"')
  const [, entry = ''] = /^ +more_administrators:\n +- (.*)\n$/m.exec(printed) ?? []
  expect(JSON.parse(entry)).toEqual({ name: 'provision-renewal', keys: [expect.stringMatching(/^ssh-ed25519 /)] })

  rewrite('vars: { haproxy-tls', `vars: { base: { more_administrators: [${entry}] }, haproxy-tls`)
  expect(await run(schedule, 'print')).toContain('The inventory already contains its account.\n')
  // The lines of older versions.
  rewrite(`more_administrators: [${entry}]`, `administrators: [${JSON.stringify(ann)}, ${entry}]`)
  expect(await run(schedule, 'print')).toContain('The inventory already contains its account.\n')
  rewrite(entry, '{"name":"provision-renewal","state":"absent"}')
  expect(await run(schedule, 'print')).toContain(
    `The inventory has another entry of provision-renewal. Replace it with this one, then run\nprovision run --role base --limit load_balancers\n\n${entry}\n`,
  )
})

test.each(['a path', 'a link'])('a line that leads out of the project by %s hands on no secrets of another one', async (way) => {
  const { root, env, run, renewer } = await site(`\${secret:sudo}`)
  await run(schedule, 'print')
  const { recipients } = await ensureAgeKey(root, env)
  const theirs = await encrypt('other: geheim-andere\n', recipients)
  const other = join(project({ 'secrets.yaml': theirs }), 'secrets.yaml')
  symlinkSync(other, join(root, 'page/link.yaml'))
  const list = join(root, 'identities/renewal-recipients.txt')
  const [, recipient = ''] = /^(age1[0-9a-z]+)$/m.exec(readFileSync(list, 'utf8')) ?? []
  const path = way === 'a path' ? `../${other.split('/').slice(-2).join('/')}` : 'page/link.yaml'
  for (const act of [() => run(schedule, 'print'), async () => deletion(renewer, root, env)]) {
    appendFileSync(list, `${recipient} ${path}\n`)
    expect(await act()).toContain(`${path} is outside of the project and was not encrypted again`)
    expect(Buffer.from(theirs).equals(readFileSync(other))).toBe(true)
    expect(readFileSync(list, 'utf8')).not.toContain(path)
  }
})

const deletion = async (renewer: Parameters<typeof deleteKeys>[0], directory: string, env: Readonly<Record<string, string>>) => {
  const context = testContext({ directory, env })
  await deleteKeys(renewer, context)
  return context.output.err
}

test('the file of secrets in use may be outside of the project', async () => {
  const { root, env, context, renewer } = await site('in the clear')
  const { recipients } = await ensureAgeKey(root, env)
  const other = project({ 'secrets.yaml': await encrypt('other: x\n', recipients) })
  const path = `../${other.split('/').at(-1)}/secrets.yaml`
  await createKeys(renewer, path, context)
  await createKeys(renewer, path, context)
  expect(context.output.err).toBe('')
  expect((await readSecrets({ root, path, env: { HOME: root, PROVISION_AGE_KEY_FILE: renewer.ageKey } }))?.reveal()).toBe('other: x\n')
})

test.each([
  [['print'], { watch: true }, '--watch does not apply to print'],
  [['watch'], { watch: true }, '--watch does not apply to watch'],
  [['install'], { every: '2' }, '--every does not apply to install'],
  [['status'], { every: '2' }, '--every does not apply to status'],
  [['watch'], {}, 'the playbook has no monitoring server'],
] as const)('schedule %j with %j is refused', async (positionals, values, what) => {
  const { context, root } = await site('in the clear')
  const key = join(root, 'id')
  writeFileSync(key, (await newKey('test')).privateKey, { mode: 0o600 })
  const inventory = join(root, 'inventory/site.yaml')
  writeFileSync(inventory, readFileSync(inventory, 'utf8').replace('vars: {', 'vars: { key: id,'))
  const given = { positionals, rest: [], values: values as never }
  await expect(schedule.run(given, context)).rejects.toMatchObject({ class: 'input', what: expect.stringContaining(what) })
})

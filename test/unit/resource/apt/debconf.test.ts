import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { debconf } from '../../../../src/resource/apt/debconf.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const SECRET = new Secret('hunter2 with a space')
const DATABASE = `Name: mail/kind
Template: mail/kind
Value: Internet Site
Owners: mail
Flags: seen

Name: mail/name
Template: mail/name
Owners: mail

Name: mail/empty
Value:

Name: other/kind
Value: x
`
const PASSWORDS = `Name: mail/password
Template: mail/password
Value: hunter2 with a space
`

/** A host with these databases of debconf. \`installed\` is what dpkg-query prints. */
const hostWith = (installed = '', files: Readonly<Record<string, string>> = { 'config.dat': DATABASE, 'passwords.dat': PASSWORDS }) => {
  const host = here('/var/cache/debconf', '/proc')
  onTestFinished(() => host.remove())
  for (const directory of ['/var/cache/debconf', '/proc']) mkdirSync(host.at(directory), { recursive: true })
  writeFileSync(host.at('/proc/locks'), '')
  writeFileSync(host.at('/proc/uptime'), '1 1\n')
  for (const [name, text] of Object.entries(files)) writeFileSync(host.at(`/var/cache/debconf/${name}`), text)
  host.program('dpkg-query', `printf '%s' '${installed}'; exit ${installed === '' ? 1 : 0}`)
  host.program('debconf-set-selections', `cat "$1" >${host.at('/set')}; echo "$*" >${host.at('/arguments')}`)
  return host
}
const answering = (...answers: readonly object[]) => debconf({ package: 'mail', answers: answers as never })
const kindAnswer = (value: string) => ({ question: 'mail/kind', type: 'select', value })
const password = { question: 'mail/password', type: 'password', value: SECRET }

describe('answers to the questions of a package', () => {
  it('are compared with the database of debconf, secrets by their digest', () => {
    const host = hostWith()
    const all = [kindAnswer('Internet Site'), password, { question: 'mail/empty', value: '' }]
    expect(host.plan(answering(...all))).toEqual([])
    const [work] = host.plan(
      answering(...all, { question: 'mail/name', value: 'x' }, { question: 'mail/new', type: 'boolean', value: true }),
    )
    expect(work?.change).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'answers differ' },
      differences: [
        { key: 'mail/name', to: 'x' },
        { key: 'mail/new', to: 'true' },
      ],
    })
  })

  it('show no secret, in the script, the state or the plan', () => {
    const host = hostWith()
    const changed = answering({ ...password, value: new Secret('new password') })
    const [work] = host.plan(changed)
    expect(work?.change.differences).toEqual([{ key: 'mail/password', to: 'not shown, because it is a secret' }])
    const state = work?.state as { readonly answers: ReadonlyMap<string, string> }
    expect(state.answers.get('mail/password')).toBe(sha256Hex(SECRET.reveal()))
    expect(String(debconf.kind.observe([changed.spec]).script)).not.toContain('new password')
    expect(host.apply([work as never], debconf.kind)).toBeUndefined()
    expect(readFileSync(host.at('/set'), 'utf8')).toBe('mail mail/password password new password\n')
    expect(readFileSync(host.at('/arguments'), 'utf8')).not.toContain('new password')
  })

  it('are new on a host whose databases are missing or do not have them', () => {
    for (const files of [{}, { 'config.dat': DATABASE }]) {
      const [work] = hostWith('', files).plan(answering({ question: 'mail/new', value: 'a b' }))
      expect(work?.change).toMatchObject({ action: 'create', reason: 'not answered', differences: [{ key: 'mail/new', to: 'a b' }] })
    }
  })

  it('are set in one call, and not over an answer of somebody else', () => {
    const host = hostWith()
    const [first, second] = host.plan(
      answering(kindAnswer('Satellite'), { question: 'mail/name', value: 'x' }),
      debconf({ package: 'other', answers: [{ question: 'other/kind', value: 'y' }] }),
    )
    expect(host.apply([first, second] as never, debconf.kind)).toBeUndefined()
    expect(readFileSync(host.at('/set'), 'utf8')).toBe(
      'mail mail/kind select Satellite\nmail mail/name string x\nother other/kind string y\n',
    )
    writeFileSync(host.at('/var/cache/debconf/config.dat'), DATABASE.replace('Value: x', 'Value: theirs'))
    expect(host.apply([first, second] as never, debconf.kind)).toMatchObject({
      culprit: 'other',
      why: 'the answer to other/kind is not as it was observed',
    })
    writeFileSync(host.at('/var/cache/debconf/config.dat'), `${DATABASE}\nName: mail/name\nValue: theirs\n`)
    expect(host.apply([first] as never, debconf.kind)?.why).toBe('the answer to mail/name is not as it was observed')
    // Somebody gave the declared answer.
    writeFileSync(host.at('/var/cache/debconf/config.dat'), DATABASE.replace('Internet Site', 'Satellite'))
    expect(host.apply([first] as never, debconf.kind)).toBeUndefined()
  })

  it('count as given once the package is installed, with a warning where they differ', () => {
    const host = hostWith('mail installed\n')
    expect(host.plan(answering(kindAnswer('Satellite')))).toEqual([])
    const state = { isInstalled: true, answers: new Map([['mail/kind', 'Local']]) }
    expect(debconf.kind.notices?.(answering(kindAnswer('Satellite')).spec, state, context)).toEqual([
      'mail is installed, so its answer to mail/kind has no effect any more: it is "Local", declared is "Satellite"',
    ])
    expect(debconf.kind.notices?.(answering(kindAnswer('Local')).spec, state, context)).toEqual([])
    expect(hostWith('mail config-files\n').plan(answering(kindAnswer('Satellite')))).toHaveLength(1)
  })

  it('are never taken from an answer that is cut off', () => {
    const { spec } = answering(kindAnswer('x'))
    for (const stdout of ['', 'end\n', 'mail installed\nend\nmail/kind x\n', 'end\nend\nmore'])
      expect(() => debconf.kind.observe([spec]).parse(Buffer.from(stdout), {} as never)).toThrow('debconf did not report all answers')
  })

  it.each<[object, string]>([
    [{ question: 'mail/kind', value: 'a\nmail x/y string z' }, 'answers.0.value'],
    [{ question: 'mail/kind', value: 'a\\nb' }, 'answers.0.value'],
    [{ question: 'mail/kind', value: new Secret('a\nb') }, 'answers.0.value'],
    [{ question: 'mail/kind x', value: 'a' }, 'answers.0.question'],
    [{ question: 'mail', value: 'a' }, 'answers.0.question'],
    [{ question: 'mail/password', type: 'password', value: 'plain' }, 'answers.0.value'],
  ])('are refused as %j', (answer, path) => {
    const { error } = debconf.kind.schema.safeParse({ package: 'mail', answers: [answer] })
    expect(error?.issues.map((issue) => issue.path.join('.'))).toEqual([path])
  })

  it('answer a question once', () => {
    expect(() => answering(kindAnswer('a'), kindAnswer('b'))).toThrow('must not answer a question twice')
  })
})

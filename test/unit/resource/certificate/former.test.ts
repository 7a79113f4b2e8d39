import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { certificate, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { type FormersState, formerCertificates } from '../../../../src/resource/certificate/former.ts'
import type { PlanContext, Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answer, Step } from '../../../../src/resource/kind/step.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { digestOf, inodeOf, pairAt } from './seen.ts'

const { kind } = formerCertificates
const NOW = new Date('2026-11-29T00:00:00Z')
const context: PlanContext = { now: NOW, packagesPending: false, changes: () => false, members: () => new Map() }
const DAY = 86_400_000

describe('planning the list of former certificates', () => {
  const pairOf = (names: readonly string[], more: object = {}) => ({
    chain: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' },
    key: { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' },
    leaf: { names, placeholder: false, from: NOW.getTime() - DAY, to: NOW.getTime() + DAY, keyDigest: 'k', ...more },
    keyDigest: 'k',
    revoked: false,
  })
  const spec = kind.schema.parse({
    ...{ path: '/etc/former.list', list: '/etc/list' },
    pairs: [{ path: '/c/a.pem', names: ['a.test', 'b.test'] }],
  })
  const state = (more: object): FormersState =>
    ({
      inode: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' },
      ...{ lines: [], current: ['/c/a.pem'], pairs: new Map([['/c/a.pem', pairOf(['a.test', 'b.test'])]]) },
      ...more,
    }) as unknown as FormersState
  const planned = (more: object, also: object = {}): string | undefined => {
    const change = kind.plan(spec, state(more), { ...context, ...also })
    return change && `${change.action} ${change.certainty} ${change.reason}`
  }
  const has = (...pair: Parameters<typeof pairOf>) => ({ pairs: new Map([['/c/a.pem', pairOf(...pair)]]), current: ['/c/b.pem'] })
  const STAY = 'update dependent current certificates stay in use until one is issued for'

  it.each([
    ['all are issued', {}, undefined],
    ['a wildcard covers the names', has(['*.test']), undefined],
    ['a chain is listed that no certificate needs', { lines: ['/c/b.pem'] }, 'update exact all certificates are issued'],
    ['nothing else is in use', { ...has(['a.test']), current: ['/c/a.pem'] }, undefined],
    ['the chain in use is listed already', { ...has(['a.test']), lines: ['/c/b.pem'] }, undefined],
    ['a name is missing', has(['a.test']), `${STAY} b.test`],
    ['a wildcard covers one label only', has(['a.test', '*.b.test']), `${STAY} b.test`],
    ['a placeholder is in place', has(['a.test', 'b.test'], { placeholder: true }), `${STAY} a.test, b.test`],
    ['the certificate expired', has(['a.test', 'b.test'], { to: NOW.getTime() }), `${STAY} a.test, b.test`],
    ['the key is another one', has(['a.test', 'b.test'], { keyDigest: 'x' }), `${STAY} a.test, b.test`],
    ['the list is missing', { inode: 'absent' }, 'create exact missing'],
    [
      'it is a link',
      { inode: { type: 'l', mode: '777', owner: 'root', group: 'root', target: '/x' } },
      'update exact a symbolic link at its path',
    ],
    ['others may write it', { inode: { type: 'f', mode: '666', owner: 'root', group: 'root', target: '' } }, 'update exact mode differs'],
  ])('%s', (_, more, expected) => {
    expect(planned(more)).toBe(expected)
  })

  it('a revoked certificate serves no name', () => {
    expect(
      planned({ ...has(['a.test', 'b.test']), pairs: new Map([['/c/a.pem', { ...pairOf(['a.test', 'b.test']), revoked: true }]]) }),
    ).toBe(`${STAY} a.test, b.test`)
  })

  it('depends on a package that may bring its directory', () => {
    expect(planned({ inode: 'absent' }, { packagesPending: true })).toBe('create dependent missing')
  })
})

// Root alone may own the directories.
describe.runIf(process.getuid?.() === 0)('certificates in use', { timeout: 60_000 }, () => {
  let at = ''
  beforeEach(() => {
    at = mkdtempSync(join(homedir(), '.provision-former-'))
    mkdirSync(join(at, 'ssl'))
    const made = at
    onTestFinished(() => rmSync(made, { recursive: true }))
  })
  const chain = (name: string): string => join(at, `ssl/${name}.pem`)
  const list = (name: 'former' | 'chains', ...names: readonly string[]): void =>
    writeFileSync(join(at, name), names.map((one) => `${chain(one)}\n`).join(''))
  const former = (): readonly string[] =>
    readFileSync(join(at, 'former'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(`${at}/ssl/`, ''))

  /** A pair that an authority issued. */
  const issued = (name: string, names: readonly string[], { days = '9', subject = '/CN=x' } = {}): void => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${chain(name)}.key`]
    const alternative = `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`
    execFileSync('openssl', ['req', '-x509', ...key, '-out', chain(name), '-days', days, '-subj', subject, '-addext', alternative], {
      stdio: 'ignore',
    })
  }
  const expire = (name: string): void => {
    const words = ['x509', '-in', chain(name), '-signkey', `${chain(name)}.key`, '-days', '-1', '-out', chain(name)]
    execFileSync('openssl', words, { stdio: 'ignore' })
  }
  const fingerprint = (name: string): string =>
    execFileSync('openssl', ['x509', '-in', chain(name), '-noout', '-fingerprint', '-sha256'], { encoding: 'utf8' })
      .trim()
      .replace(/.*=/, '')
  const resource = (pairs: Readonly<Record<string, readonly string[]>>) =>
    formerCertificates({
      ...{ path: join(at, 'former'), list: join(at, 'chains') },
      pairs: Object.entries(pairs).map(([name, names]) => ({ path: chain(name), names: [...names] })),
    })
  const shell = (step: Step | undefined): void => {
    if (step?.do !== 'shell') throw new Error('no step for the host')
    const { status, stderr } = spawnSync('sh', ['-c', String(step.script)], {
      env: { ...process.env, T: at, PATH: `${join(at, 'bin')}:${process.env.PATH}` },
      input: Buffer.from((step.input ?? '') as string),
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  }
  const apply = ({ id, spec }: Resource): void => {
    const list = join(at, 'former')
    const state: FormersState = { inode: inodeOf(list), sha256: digestOf(list), lines: [], current: [], pairs: new Map() }
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    shell(kind.apply([{ id, spec: spec as never, state, change }]).next().value as Step)
  }

  it('are none on a new host', () => {
    apply(resource({ a: ['a.test'] }))
    expect(former()).toEqual([])
    expect(spawnSync('stat', ['-c', '%a %U', join(at, 'former')], { encoding: 'utf8' }).stdout).toBe('644 root\n')
  })

  it('are not listed over a list that somebody edited after the observation', () => {
    apply(resource({ a: ['a.test'] }))
    const { id, spec } = resource({ a: ['a.test'] })
    const list = join(at, 'former')
    const state = { inode: inodeOf(list), sha256: digestOf(list), lines: [], current: [], pairs: new Map() } as FormersState
    writeFileSync(list, 'theirs\n')
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const step = kind.apply([{ id, spec: spec as never, state, change }]).next().value as { readonly script: unknown }
    expect(spawnSync('sh', ['-c', String(step.script)], { env: { ...process.env, T: at }, encoding: 'utf8' })).toMatchObject({
      status: 68,
      stderr: `${list} is not as it was observed (owner: root)\n`,
    })
    expect(former()).toEqual(['theirs'])
  })

  it('are listed where somebody gave the list the declared mode since, and no other', () => {
    apply(resource({ a: ['a.test'] }))
    const { id, spec } = resource({ a: ['a.test'] })
    const list = join(at, 'former')
    execFileSync('chmod', ['600', list])
    const state = { inode: inodeOf(list), sha256: digestOf(list), lines: [], current: [], pairs: new Map() } as FormersState
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const step = kind.apply([{ id, spec: spec as never, state, change }]).next().value as { readonly script: unknown }
    const statusWith = (mode: string): number | null => {
      execFileSync('chmod', [mode, list])
      return spawnSync('sh', ['-c', String(step.script)], { env: { ...process.env, T: at } }).status
    }
    expect([statusWith('640'), statusWith('644')]).toEqual([68, 0])
  })

  it('stay where an entry begins with another name', () => {
    issued('www', ['www.test', 'a.test'])
    list('chains', 'www')
    apply(resource({ shop: ['shop.test', 'a.test', 'www.test'] }))
    expect(former()).toEqual(['www.pem'])
    // The next run finds the new list in place, and the authority still down.
    list('chains', 'shop')
    issued('shop', ['shop.test', 'a.test', 'www.test'], { subject: '/O=provision placeholder', days: '1' })
    apply(resource({ shop: ['shop.test', 'a.test', 'www.test'] }))
    expect(former()).toEqual(['www.pem'])
    issued('shop', ['shop.test', 'a.test', 'www.test'])
    apply(resource({ shop: ['shop.test', 'a.test', 'www.test'] }))
    expect(former()).toEqual([])
  })

  it('stay where entries are joined, divided or of other key types, and for names of wildcards', () => {
    issued('a', ['a.test'])
    issued('b', ['b.test', '*.w.test'])
    list('chains', 'a', 'b')
    apply(resource({ a: ['a.test', 'b.test'] }))
    expect(former()).toEqual(['b.pem'])
    apply(resource({ 'a.ecdsa': ['a.test'], 'a.rsa': ['a.test'] }))
    expect(former()).toEqual(['a.pem'])
    apply(resource({ 'x.w': ['x.w.test'] }))
    expect(former()).toEqual(['b.pem'])
    apply(resource({ c: ['c.test', 'w.test', 'x.y.w.test'] }))
    expect(former()).toEqual([])
  })

  it.each([
    ['is a placeholder', () => issued('b', ['b.test'], { subject: '/O=provision placeholder' })],
    ['expired', () => expire('b')],
    ['is revoked', () => writeFileSync(`${chain('b')}.revoked`, `${fingerprint('b')}\n`)],
    ['has no key', () => rmSync(`${chain('b')}.key`)],
    ['has the key of another', () => copyFileSync(`${chain('a')}.key`, `${chain('b')}.key`)],
    ['is gone', () => rmSync(chain('b'))],
    ['is damaged', () => writeFileSync(chain('b'), 'damaged')],
  ])('do not stay if one %s', (_, damage) => {
    issued('a', ['a.test'])
    issued('b', ['b.test'])
    list('chains', 'a', 'b')
    damage()
    apply(resource({ a: ['a.test', 'b.test'] }))
    expect(former()).toEqual([])
  })

  it('are listed once each in any case of their names, those of the former list first', () => {
    issued('b', ['B.Test'])
    issued('c', ['c.test'])
    list('former', 'c')
    list('chains', 'b', 'c')
    writeFileSync(join(at, 'chains'), `\n${readFileSync(join(at, 'chains'), 'utf8')}`)
    apply(resource({ a: ['a.test', 'b.test', 'c.test'] }))
    expect(former()).toEqual(['c.pem', 'b.pem'])
  })

  it('are written only if they change, with the list on the disk before its name', () => {
    issued('b', ['b.test'])
    list('chains', 'b')
    mkdirSync(join(at, 'bin'))
    for (const name of ['sync', 'mv'])
      writeFileSync(join(at, 'bin', name), `#!/bin/sh\necho "${name} $*" >>${at}/log\nexec /bin/${name} "$@"\n`, { mode: 0o755 })
    const written = (): readonly string[] => {
      rmSync(join(at, 'log'), { force: true })
      apply(resource({ a: ['a.test', 'b.test'] }))
      return existsSync(join(at, 'log')) ? readFileSync(join(at, 'log'), 'utf8').trim().split('\n') : []
    }
    const file = join(at, 'former')
    const steps = [`sync ${file}.new`, `mv -fT -- ${file}.new ${file}`, `sync ${at}`]
    expect(written()).toEqual(steps)
    execFileSync('chmod', ['600', file])
    execFileSync('chown', ['nobody:nogroup', file])
    expect(written()).toEqual([])
    expect(spawnSync('stat', ['-c', '%a %U %G', file], { encoding: 'utf8' }).stdout).toBe('644 root root\n')
    // A link with the same content is replaced.
    execFileSync('mv', [file, join(at, 'elsewhere')])
    execFileSync('ln', ['-s', join(at, 'elsewhere'), file])
    expect(written()).toEqual(steps)
    expect(spawnSync('stat', ['-c', '%F', file], { encoding: 'utf8' }).stdout).toBe('regular file\n')
    // No directory of a run remains.
    expect(readdirSync(at).filter((name) => !['bin', 'chains', 'elsewhere', 'former', 'log', 'ssl'].includes(name))).toEqual([])
  })

  it.each([
    ['chain', ''],
    ['key', '.key'],
  ])('do not stay behind a link in place of the %s', (_, end) => {
    issued('b', ['b.test'])
    list('chains', 'b')
    execFileSync('mv', [`${chain('b')}${end}`, join(at, 'elsewhere')])
    execFileSync('ln', ['-s', join(at, 'elsewhere'), `${chain('b')}${end}`])
    apply(resource({ a: ['b.test'] }))
    expect(former()).toEqual([])
  })

  it('lose the copies that the list does not have', () => {
    issued('a', ['a.test'])
    for (const end of ['', '.key']) copyFileSync(`${chain('a')}${end}`, `${chain('a')}.former${end}`)
    apply(resource({ a: ['a.test', 'b.test'] }))
    expect([former(), existsSync(`${chain('a')}.former`), existsSync(`${chain('a')}.former.key`)]).toEqual([[], false, false])
    // A copy that still serves a missing name stays.
    issued('b', ['b.test'])
    for (const end of ['', '.key']) copyFileSync(`${chain('b')}${end}`, `${chain('a')}.former${end}`)
    apply(resource({ a: ['a.test', 'b.test'] }))
    expect([former(), existsSync(`${chain('a')}.former`), existsSync(`${chain('a')}.former.key`)]).toEqual([['a.pem.former'], true, true])
  })

  describe('when a certificate is installed', () => {
    /** Installs a certificate with these names at the path of `name`, and returns the script that loads it. */
    const install = (name: string, names: readonly string[], formers: Resource): Step => {
      const temporary = placeholder({ path: chain(name), names: [...names] })
      const loadedBy = service({ unit: 'haproxy.service', loads: [temporary, formers] })
      const { id, spec } = certificate({ path: chain(name), names: [...names], account: 'acme-account:x', loadedBy, formers })
      const change = { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const
      const steps = certificate.kind.apply([{ id, spec, state: pairAt(spec.path), change }])
      const answer = (stdout: string): Answer => ({ code: 0, stdout: Buffer.from(stdout), stderr: '' })
      shell(requestFor(steps.next().value as Step))
      // The authority signs the request.
      const key = existsSync(`${chain(name)}.key`) ? `${chain(name)}.key` : join(at, `ssl/.${name}.pem.key.provision-new`)
      const signed = execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-key',
          key,
          '-days',
          '9',
          '-subj',
          '/CN=x',
          '-addext',
          `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`,
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      )
      steps.next(answer('REQUEST'))
      shell(steps.next(answer(signed)).value as Step)
      return steps.next(answer('')).value as Step
    }
    /** The key of the test is used again, as if provision had made it. */
    const requestFor = (step: Step): Step =>
      ({
        ...step,
        ...(step.do === 'shell' && {
          script: { ...step.script, toString: () => String(step.script).replace('is_ours() {', 'is_ours() { return 0;') },
        }),
      }) as Step

    it('are those whose names it has removed from the list', () => {
      issued('b', ['b.test'])
      list('chains', 'b')
      const formers = resource({ a: ['a.test', 'b.test'] })
      apply(formers)
      expect(former()).toEqual(['b.pem'])
      install('a', ['a.test', 'b.test'], formers)
      expect(former()).toEqual([])
    })

    it('include its predecessor, if that serves a name that another entry has got', () => {
      issued('a', ['a.test', 'x.test'])
      issued('b', ['b.test'])
      list('chains', 'a', 'b')
      const formers = resource({ a: ['a.test'], b: ['b.test', 'x.test'] })
      apply(formers)
      const before = readFileSync(chain('a'), 'utf8')
      const load = install('a', ['a.test'], formers)
      expect(former()).toEqual(['a.pem.former'])
      expect(readFileSync(`${chain('a')}.former`, 'utf8')).toBe(before)
      expect(spawnSync('stat', ['-c', '%a', `${chain('a')}.former.key`], { encoding: 'utf8' }).stdout).toBe('600\n')
      // Later the other entry gets its certificate, and the copy is deleted once the service has loaded that.
      install('b', ['b.test', 'x.test'], formers)
      expect(former()).toEqual([])
      expect(existsSync(`${chain('a')}.former`)).toBe(true)
      const after =
        String((load as { script: unknown }).script)
          .split('\n)\n')
          .at(-1) ?? ''
      expect(spawnSync('sh', ['-c', after], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
      expect([existsSync(`${chain('a')}.former`), existsSync(`${chain('a')}.former.key`)]).toEqual([false, false])
    })
  })
})

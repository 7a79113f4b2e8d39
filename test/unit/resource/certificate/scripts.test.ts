import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { certificate, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import type { Change, Resource } from '../../../../src/resource/kind/kind.ts'
import type { Answer, Step } from '../../../../src/resource/kind/step.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { pairAt } from './seen.ts'

const NAMES = ['www.example.test', 'a.example.test']
const { kind } = certificate

// Root alone may own the directories.
describe.runIf(process.getuid?.() === 0)('the scripts of a certificate', { timeout: 60_000 }, () => {
  let at = ''
  let path = ''
  beforeEach(() => {
    at = mkdtempSync(join(homedir(), '.provision-certificate-'))
    path = join(at, 'ssl/www.pem')
    mkdirSync(join(at, 'ssl'))
    const made = at
    onTestFinished(() => rmSync(made, { recursive: true }))
  })
  const openssl = (...words: readonly string[]): string =>
    execFileSync('openssl', words, { cwd: at, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const selfSigned = (name: string, key: string, ...words: readonly string[]): string =>
    openssl(...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'.split(' '), '-keyout', key, '-subj', `/CN=${name}`, ...words)
  const run = (step: Step | undefined): Answer => {
    if (step?.do !== 'shell') throw new Error(`no step for the host but ${step?.do}`)
    // The undo directory of the set belongs to the host of the test.
    const script = String(step.script).replaceAll('/var/lib/provision/undo', join(at, 'undo'))
    const input = Buffer.from((step.input ?? '') as string)
    const env = { ...process.env, T: at, PATH: `${join(at, 'bin')}:${process.env.PATH}` }
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { env, input })
    return { code: status ?? 1, stdout, stderr: stderr.toString() }
  }
  const work = ({ id, spec }: Resource, certainty: Change['certainty'] = 'dependent') => ({
    ...{ id, spec: spec as never, state: pairAt(path) },
    change: { action: 'update' as const, certainty, reason: '', differences: [] },
  })
  const apply = (resource: Resource, certainty?: Change['certainty']): void => {
    const steps = kind.apply([work(resource, certainty)])
    for (let next = steps.next(); next.done !== true; ) next = steps.next(run(next.value))
  }
  const temporary = (more: object = {}) => placeholder({ path, names: NAMES, ...more })
  const wanted = (more: object = {}): Resource => {
    const loadedBy = service({ unit: 'haproxy.service', loads: [temporary()], set: 'haproxy' })
    return certificate({ path, names: NAMES, account: 'acme-account:x', loadedBy, ...more })
  }
  /** The chain of an authority for a request. */
  const signed = (request: Answer, names: readonly string[] = NAMES): string => {
    writeFileSync(join(at, 'csr'), request.stdout)
    writeFileSync(join(at, 'extensions'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`)
    if (!existsSync(join(at, 'ca.key'))) {
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
      openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca')
    }
    return openssl(
      'x509',
      '-req',
      '-in',
      'csr',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '9',
      '-extfile',
      'extensions',
    )
  }
  /** Runs all steps but the reload, with an authority that answers `sign`. */
  const order = (resource: Resource, sign = signed): Answer => {
    const steps = kind.apply([work(resource)])
    const request = run(steps.next().value as Step)
    expect(request.stderr).toBe('')
    expect(steps.next(request).value).toMatchObject({ do: 'identity', names: NAMES })
    const install = steps.next({ code: 0, stdout: Buffer.from(sign(request)), stderr: '' })
    const answer = run(install.value as Step)
    if (answer.code === 0) expect(String((steps.next(answer).value as { script: unknown }).script)).toContain('haproxy.service')
    return answer
  }
  const access = (file: string): string => {
    const { mode, uid } = statSync(file)
    return `${(mode & 0o7777).toString(8)} ${uid}`
  }
  const subject = (): string => openssl('x509', '-in', path, '-noout', '-subject', '-nameopt', 'multiline')
  const isPair = (): boolean => openssl('x509', '-in', path, '-noout', '-pubkey') === openssl('pkey', '-in', `${path}.key`, '-pubout')
  const keyHeader = (): string | undefined => /^# key sha256 ([0-9a-f]{64})$/m.exec(readFileSync(path, 'utf8'))?.[1]
  const digest = (file: string): string | undefined => execFileSync('sha256sum', [file], { encoding: 'utf8' }).split(' ')[0]

  it.each([
    ['ecdsa', 'NIST CURVE: P-256'],
    ['rsa', 'RSA Public-Key: (2048 bit)'],
  ])('make a placeholder with a key of the host: %s', (keyType, marked) => {
    apply(temporary({ keyType }))
    expect(subject()).toContain('organizationName          = provision placeholder')
    expect(openssl('x509', '-in', path, '-noout', '-ext', 'subjectAltName')).toContain('DNS:www.example.test, DNS:a.example.test')
    expect(openssl('pkey', '-in', `${path}.key`, '-noout', '-text_pub')).toMatch(
      marked === 'NIST CURVE: P-256' ? /NIST CURVE: P-256/ : /2048 bit/,
    )
    expect([isPair(), access(path), access(`${path}.key`)]).toEqual([true, '644 0', '600 0'])
    expect(keyHeader()).toBe(digest(`${path}.key`))
    expect(spawnSync('openssl', ['x509', '-in', path, '-noout', '-checkend', '90000']).status).toBe(1)
    expect(readdirSync(join(at, 'ssl')).sort()).toEqual(['www.pem', 'www.pem.key'])
  })

  it('let a group read the key', () => {
    apply(temporary({ group: 'nogroup' }))
    expect(access(`${path}.key`)).toBe('640 0')
    expect(execFileSync('stat', ['-c', '%G', `${path}.key`], { encoding: 'utf8' })).toBe('nogroup\n')
  })

  it('leave a pair of somebody else, which lets the service start', () => {
    selfSigned('other', `${path}.key`, '-out', path)
    apply(temporary())
    expect(subject()).toContain('commonName                = other')
  })

  it('replace a chain whose key is another one, and keep no staged file', () => {
    apply(temporary())
    const before = readFileSync(`${path}.key`, 'utf8')
    writeFileSync(`${path}.key`, openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'))
    apply(temporary())
    expect(isPair()).toBe(true)
    expect(readFileSync(`${path}.key`, 'utf8')).not.toBe(before)
    expect(readdirSync(join(at, 'ssl')).sort()).toEqual(['www.pem', 'www.pem.key'])
  })

  it('request, install and name the origin of a certificate; its key is the one that provision made', () => {
    apply(temporary())
    const key = readFileSync(`${path}.key`, 'utf8')
    expect(order(wanted())).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(path, 'utf8')).toMatch(/^# key sha256 [0-9a-f]{64}\n# issued through acme-account:x\n-----BEGIN CERTIFICATE-----\n/)
    expect([isPair(), access(path), access(`${path}.key`), keyHeader()]).toEqual([true, '644 0', '600 0', digest(`${path}.key`)])
    expect(readFileSync(`${path}.key`, 'utf8')).toBe(key)
    // A renewal keeps the key.
    expect(order(wanted()).code).toBe(0)
    expect(readFileSync(`${path}.key`, 'utf8')).toBe(key)
    // The pair before it can be restored if the service refuses the new one.
    const saved = execFileSync('tar', ['-tf', join(at, 'undo/haproxy/files.tar')], { encoding: 'utf8' })
    expect(
      saved
        .split('\n')
        .filter(Boolean)
        .map((one) => `/${one}`),
    ).toEqual([path, `${path}.key`])
  })

  it('put key and certificate on the disk before they go live, and their names after it', () => {
    mkdirSync(join(at, 'bin'))
    for (const name of ['sync', 'mv'])
      writeFileSync(join(at, 'bin', name), `#!/bin/sh\necho "${name} $*" >>${at}/log\nexec /bin/${name} "$@"\n`, { mode: 0o755 })
    apply(temporary())
    const [chain, key] = ['.www.pem.provision-new', '.www.pem.key.provision-new'].map((name) => join(at, 'ssl', name))
    expect(readFileSync(join(at, 'log'), 'utf8').split('\n')).toEqual([
      `sync ${chain} ${key}`,
      `mv -fT -- ${key} ${path}.key`,
      `mv -fT -- ${chain} ${path}`,
      `sync ${join(at, 'ssl')}`,
      '',
    ])
  })

  it('give a key with its certificate to the group, also if it was live before', () => {
    apply(temporary())
    expect(order(wanted({ group: 'nogroup' })).code).toBe(0)
    expect(execFileSync('stat', ['-c', '%a %U %G', path, `${path}.key`], { encoding: 'utf8' })).toBe('644 root root\n640 root nogroup\n')
    execFileSync('chown', ['nobody:nogroup', path, `${path}.key`])
    apply(wanted({ group: 'nogroup' }), 'exact')
    expect(execFileSync('stat', ['-c', '%a %U %G', path, `${path}.key`], { encoding: 'utf8' })).toBe('644 root root\n640 root nogroup\n')
  })

  it('delete a staged key that is not needed any more', () => {
    apply(temporary())
    const staged = join(at, 'ssl/.www.pem.key.provision-new')
    writeFileSync(staged, 'the remains of an interrupted run')
    expect(order(wanted()).code).toBe(0)
    expect(existsSync(staged)).toBe(false)
    writeFileSync(staged, 'the remains of an interrupted run')
    selfSigned('other', `${path}.key`, '-out', path)
    apply(temporary())
    expect([existsSync(staged), subject().includes('commonName                = other')]).toEqual([false, true])
  })

  it('replace staged remains that are no key of the type, or a link', () => {
    const staged = join(at, 'ssl/.www.pem.key.provision-new')
    writeFileSync(join(at, 'elsewhere'), 'theirs')
    symlinkSync(join(at, 'elsewhere'), staged)
    apply(temporary({ keyType: 'rsa' }))
    expect([isPair(), readFileSync(join(at, 'elsewhere'), 'utf8')]).toEqual([true, 'theirs'])
  })

  it('request with the key of the host, and the names of the site alone', () => {
    const steps = kind.apply([work(wanted())])
    writeFileSync(join(at, 'csr'), run(steps.next().value as Step).stdout)
    const text = openssl('req', '-in', 'csr', '-noout', '-text', '-verify')
    expect(text).toContain('DNS:www.example.test, DNS:a.example.test')
    expect(openssl('req', '-in', 'csr', '-noout', '-pubkey')).toBe(openssl('pkey', '-in', 'ssl/.www.pem.key.provision-new', '-pubout'))
  })

  it.each([
    ['that provision did not make', () => writeFileSync(path, readFileSync(path, 'utf8').replace(/^# key.*\n/m, ''))],
    [
      'of a revoked certificate',
      () => writeFileSync(`${path}.revoked`, openssl('x509', '-in', path, '-noout', '-fingerprint', '-sha256').replace(/.*=/, '')),
    ],
    ['of another type', () => undefined],
    [
      'behind a link',
      () => {
        copyFileSync(`${path}.key`, join(at, 'elsewhere'))
        rmSync(`${path}.key`)
        symlinkSync(join(at, 'elsewhere'), `${path}.key`)
      },
    ],
  ])('use a new key instead of one %s, which goes live with its certificate', (which, change) => {
    apply(temporary())
    const before = readFileSync(`${path}.key`, 'utf8')
    change()
    const resource = wanted(which === 'of another type' ? { keyType: 'rsa' } : {})
    const steps = kind.apply([work(resource)])
    expect(run(steps.next().value as Step).code).toBe(0)
    expect(readFileSync(`${path}.key`, 'utf8')).toBe(before)
    expect(order(resource).code).toBe(0)
    expect(readFileSync(`${path}.key`, 'utf8')).not.toBe(before)
    expect([isPair(), access(`${path}.key`)]).toEqual([true, '600 0'])
    expect(readdirSync(join(at, 'ssl')).filter((name) => name.includes('provision-new'))).toEqual([])
  })

  it('uses the staged key of an interrupted run again', () => {
    const staged = join(at, 'ssl/.www.pem.key.provision-new')
    const steps = kind.apply([work(wanted())])
    expect(run(steps.next().value as Step).code).toBe(0)
    const key = readFileSync(staged, 'utf8')
    expect(access(staged)).toBe('600 0')
    expect(order(wanted()).code).toBe(0)
    expect(readFileSync(`${path}.key`, 'utf8')).toBe(key)
  })

  it('refuse a certificate for another key, and change nothing', () => {
    apply(temporary())
    const before = [path, `${path}.key`].map((file) => readFileSync(file, 'utf8'))
    const other = selfSigned('x', 'other.key', '-days', '9')
    const { code, stderr } = order(wanted(), () => other)
    expect(code).not.toBe(0)
    expect(stderr).toContain('does not belong to the private key on this host')
    expect([path, `${path}.key`].map((file) => readFileSync(file, 'utf8'))).toEqual(before)
  })

  describe('after a change by hand since the observation', () => {
    const files = (): readonly string[] => [path, `${path}.key`].map((file) => readFileSync(file, 'utf8'))
    const REFUSED = {
      why: expect.stringContaining('is not as it was observed (owner: root)'),
      fix: 'run again: the next plan starts from the present state',
    }
    const theirs = (): readonly string[] => {
      rmSync(path)
      selfSigned('theirs', `${path}.key`, '-out', path)
      return files()
    }

    it('order nothing', () => {
      apply(temporary())
      const steps = kind.apply([work(wanted())])
      const hand = theirs()
      const request = run(steps.next().value as Step)
      expect(() => steps.next(request)).toThrow(expect.objectContaining({ what: 'certificate request not created', ...REFUSED }))
      expect(files()).toEqual(hand)
    })

    it.each([
      ['another pair', theirs],
      [
        'another key',
        () => {
          openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${path}.key`)
          return files()
        },
      ],
    ])('install nothing over %s', (_, byHand) => {
      apply(temporary())
      const steps = kind.apply([work(wanted())])
      const request = run(steps.next().value as Step)
      steps.next(request)
      const install = steps.next({ code: 0, stdout: Buffer.from(signed(request)), stderr: '' }).value as Step
      const hand = byHand()
      const answer = run(install)
      expect(() => steps.next(answer)).toThrow(expect.objectContaining({ what: 'certificate not installed', ...REFUSED }))
      expect(files()).toEqual(hand)
    })

    it('install over what a step of the run has made since', () => {
      const steps = kind.apply([work(wanted())])
      writeFileSync(join(at, 'step.1.from'), '')
      apply(temporary())
      expect(run(steps.next().value as Step)).toMatchObject({ code: 0, stderr: '' })
    })

    it('make no placeholder over something else, and none beside a pair', () => {
      apply(temporary())
      writeFileSync(path, 'nothing\n')
      const steps = kind.apply([work(temporary())])
      writeFileSync(path, 'theirs\n')
      const answer = run(steps.next().value as Step)
      expect(() => steps.next(answer)).toThrow(expect.objectContaining(REFUSED))
      expect(readFileSync(path, 'utf8')).toBe('theirs\n')
      const again = kind.apply([work(temporary())])
      const hand = theirs()
      expect(run(again.next().value as Step)).toMatchObject({ code: 0, stderr: '' })
      expect(files()).toEqual(hand)
    })

    it('open no other key, and accept owner and mode as declared', () => {
      apply(temporary())
      execFileSync('chmod', ['644', `${path}.key`])
      const steps = kind.apply([work(wanted({ group: 'nogroup' }), 'exact')])
      execFileSync('chmod', ['640', `${path}.key`])
      const refused = run(steps.next().value as Step)
      expect(() => steps.next(refused)).toThrow(expect.objectContaining(REFUSED))
      expect(access(`${path}.key`)).toBe('640 0')
      const again = kind.apply([work(wanted({ group: 'nogroup' }), 'exact')])
      execFileSync('chgrp', ['nogroup', `${path}.key`])
      expect(run(again.next().value as Step)).toMatchObject({ code: 0, stderr: '' })
    })
  })

  it('correct owner and mode without an order', () => {
    apply(temporary())
    execFileSync('chmod', ['666', path, `${path}.key`])
    execFileSync('chown', ['nobody:nogroup', path, `${path}.key`])
    apply(wanted(), 'exact')
    expect([access(path), access(`${path}.key`)]).toEqual(['644 0', '600 0'])
  })

  it.each(['placeholder', 'dependent', 'exact'] as const)('do nothing in a directory that another account can replace: %s', (what) => {
    apply(temporary())
    execFileSync('chown', ['nobody', join(at, 'ssl')])
    const before = readFileSync(path, 'utf8')
    rmSync(`${path}.key`)
    const act = () => (what === 'placeholder' ? apply(temporary()) : apply(wanted(), what))
    expect(act).toThrow(HostRefusal)
    expect(readFileSync(path, 'utf8')).toBe(before)
    expect(readdirSync(join(at, 'ssl'))).toEqual(['www.pem'])
  })

  it('leave the common name out if every name is too long for it', () => {
    const long = `${'a'.repeat(60)}.example.test`
    const steps = kind.apply([work(wanted({ names: [long, 'www.example.test'] }))])
    const request = run(steps.next().value as Step)
    writeFileSync(join(at, 'csr'), request.stdout)
    expect(openssl('req', '-in', 'csr', '-noout', '-subject')).toMatch(/CN ?= ?www\.example\.test/)
    const only = run(kind.apply([work(wanted({ names: [long] }))]).next().value as Step)
    writeFileSync(join(at, 'csr'), only.stdout)
    expect(openssl('req', '-in', 'csr', '-noout', '-subject')).toMatch(/O ?= ?provision$/m)
  })
})

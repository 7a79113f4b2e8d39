import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { aptRepository } from '../../../../src/resource/apt/repository.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { Change, PlanContext } from '../../../../src/resource/kind/kind.ts'
import { type Answer, HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import { NOTHING } from '../answers.ts'

const keyOf = (name: string): string => readFileSync(new URL(`../../../fixtures/openpgp/${name}.asc`, import.meta.url), 'utf8')
const [REPO, OTHER] = [keyOf('repo'), keyOf('other')]
const [REPO_PRINT, OTHER_PRINT] = ['F20B9ACCDDFA85B7541A84075763F951B24134AF', '945CF0110FCF47823623696029040A9FEE861283']
const URL_OF_KEY = 'https://example.test/key.asc'
const [SOURCE, KEY] = ['/etc/apt/sources.list.d/shop.sources', '/etc/apt/keyrings/provision.shop.asc']
const OPTIONS = {
  name: 'shop',
  uris: 'https://example.test/debian',
  suites: 'stable',
  components: 'main',
  key: REPO,
  fingerprint: REPO_PRINT,
}
const { kind } = aptRepository
const specOf = (options: object) => kind.schema.parse({ ...OPTIONS, ...options })
const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const inode = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }

/** The state of a host with these texts in its two files. */
const stateOf = (options: object, files: Readonly<Record<string, string>>) => {
  const spec = specOf(options)
  const answers = {
    ...NOTHING,
    inodes: new Map([SOURCE, KEY].map((path) => [path, files[path] === undefined ? ('absent' as const) : inode])),
    digests: new Map(Object.entries(files).map(([path, text]) => [path, sha256Hex(text)])),
    texts: new Map(Object.entries(files).map(([path, text]) => [path, text.split('\n').slice(0, -1)])),
  }
  const state = kind.observe([spec]).parse(Buffer.alloc(0), answers).get('shop')
  if (state === undefined) throw new Error('no state')
  return { spec, state }
}
const planOf = (options: object, files: Readonly<Record<string, string>>): Change | undefined => {
  const { spec, state } = stateOf(options, files)
  return kind.plan(spec, state, context)
}

/** Applies a change; `answer` is what the host says to each step. Returns scripts and inputs, and the refusal. */
const apply = (options: object, files: Readonly<Record<string, string>>, answer: (step: string) => Partial<Answer> = () => ({})) => {
  const { spec, state } = stateOf(options, files)
  const change = kind.plan(spec, state, context)
  if (change === undefined) throw new Error('no change')
  const steps: string[] = []
  const run = kind.apply([{ id: 'shop', spec, state, change }])
  try {
    for (let next = run.next(); next.done !== true; ) {
      const step = next.value as Extract<Step, { do: 'shell' }>
      steps.push(`${step.script}\n${step.input ?? ''}`)
      next = run.next({ code: 0, stdout: Buffer.alloc(0), stderr: '', ...answer(steps.at(-1) ?? '') })
    }
    return { steps, refusal: undefined }
  } catch (error) {
    if (error instanceof HostRefusal) return { steps, refusal: error }
    throw error
  }
}

/** The files that a change writes, as the host receives them. */
const written = (steps: readonly string[]): string => steps.at(-1)?.split('provision-new').slice(1).join('provision-new') ?? ''
const sourceOf = (options: object): string => {
  const [, text = ''] = /\0(Types: [^\0]*)/.exec(written(apply(options, {}).steps)) ?? []
  return text
}
const armored = (text: string): string => /-----BEGIN.*END PGP PUBLIC KEY BLOCK-----\n/s.exec(text)?.[0] ?? ''
const isFetch = (step: string): boolean => step.includes('apt-helper')
const fetched =
  (bytes: string) =>
  (step: string): Partial<Answer> =>
    isFetch(step) ? { stdout: Buffer.from(bytes) } : {}

describe('the options of a repository', () => {
  const issues = (options: object): readonly string[] =>
    kind.schema.safeParse({ ...OPTIONS, ...options }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

  it('accept fingerprints as gpg prints them, and lists', () => {
    expect(issues({ fingerprint: `0x${REPO_PRINT.toLowerCase().replace(/(.{4})/g, '$1 ')}` })).toEqual([])
    expect(issues({ key: REPO + OTHER, fingerprint: [OTHER_PRINT, REPO_PRINT], suites: ['a', 'b'], types: ['deb', 'deb-src'] })).toEqual([])
    for (const suites of ['./', '/', 'stable/', ['./', 'extra/']]) expect(issues({ suites, components: undefined })).toEqual([])
    expect(sourceOf({ suites: '/', components: undefined })).toContain('\nSuites: /\n')
  })

  it.each<[object, string | RegExp]>([
    [{ fingerprint: OTHER_PRINT }, `key: has the fingerprint ${REPO_PRINT}, which is not declared`],
    [{ key: REPO + OTHER }, `key: has the fingerprint ${OTHER_PRINT}, which is not declared`],
    [{ fingerprint: [REPO_PRINT, OTHER_PRINT] }, `key: does not have the declared fingerprint ${OTHER_PRINT}`],
    [{ fingerprint: undefined }, /^fingerprint: is missing: without it any key would be trusted/],
    [{ fingerprint: REPO_PRINT.slice(-16) }, /^fingerprint: must be a complete fingerprint/],
    [{ key: 'nonsense' }, 'key: cannot be used: it is no OpenPGP key'],
    [{ key: undefined }, 'key: is missing'],
    [{ key: `${URL_OF_KEY} -o x` }, 'key: cannot be used: it is no OpenPGP key'],
    [{ components: undefined }, 'components: is missing'],
    [{ suites: ['./', 'stable'], components: undefined }, 'suites: must not have a path such as ./ beside other suites'],
    [{ suites: './' }, 'components: must not be set beside the path ./: a flat repository has no components'],
    [{ suites: '/stable' }, /^suites: must be a suite such as bookworm, or a path with a slash at its end/],
    [{ uris: 'https://me:pass@example.test/' }, /^uris: must not have a password/],
    [{ uris: 'https://example.test/ x' }, /^uris: must be a URI/],
    [{ uris: 'https://example.test/\nTrusted: yes' }, /^uris: must be a URI/],
    [{ suites: 'stable\nTrusted: yes' }, /^suites: must be a suite/],
    [{ components: 'main\n' }, /^components: must be a component/],
    [{ name: '../x' }, /^name: must be a name/],
    [{ name: 'a.b' }, /^name: must be a name/],
    [{ fields: { Trusted: 'yes' } }, 'fields: Unrecognized key: "Trusted"'],
    [{ fields: { Languages: 'en\nTrusted: yes' } }, /^fields.Languages: must be one line of text/],
  ])('refuse %j', (options, issue) => {
    expect(issues(options)[0]).toMatch(issue)
  })

  it('need only the name of a repository that is absent', () => {
    expect(kind.schema.safeParse({ name: 'shop', state: 'absent' }).success).toBe(true)
  })
})

describe('a repository with a known key', () => {
  it('is one file in deb822 format, with the key in it', () => {
    const text = sourceOf({ architectures: ['amd64', 'arm64'], fields: { Languages: 'none' } })
    const head =
      'Types: deb\nURIs: https://example.test/debian\nSuites: stable\nComponents: main\nArchitectures: amd64 arm64\nLanguages: none\n'
    expect(text.startsWith(`${head}Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME`)).toBe(true)
    expect(text.endsWith('=\n -----END PGP PUBLIC KEY BLOCK-----\n')).toBe(true)
    expect(sourceOf({ enabled: false })).toContain('\nEnabled: no\nSigned-By:')
  })

  it('is planned exactly, and has nothing to do afterwards', () => {
    expect(planOf({}, {})).toEqual({ action: 'create', certainty: 'exact', reason: 'missing', differences: [] })
    expect(planOf({}, { [SOURCE]: sourceOf({}) })).toBeUndefined()
    expect(planOf({ suites: 'next' }, { [SOURCE]: sourceOf({}) })).toMatchObject({
      action: 'update',
      certainty: 'exact',
      reason: 'content differs',
    })
  })

  it('is shown with the fingerprint in place of the key, and in full for those who ask', () => {
    const { spec, state } = stateOf({ suites: 'next' }, { [SOURCE]: sourceOf({}) })
    const change = kind.plan(spec, state, context) as Change
    const shown = kind.diff?.({ id: 'shop', spec, state, change }, Buffer.from(sourceOf({})))
    const [before, after] = ['stable', 'next'].map(
      (suite) =>
        `Types: deb\nURIs: https://example.test/debian\nSuites: ${suite}\nComponents: main\nSigned-By: ${REPO_PRINT} (a part of this file)\n`,
    )
    expect(shown).toMatchObject({ before, after, full: { before: sourceOf({}), after: sourceOf({ suites: 'next' }) } })
  })

  it('is read by apt with its key before it is added, with the lists of others untouched', () => {
    const { steps } = apply({}, {})
    expect(steps).toHaveLength(3)
    expect(steps[0]).toMatch(/apt-get update .*-o APT::Get::List-Cleanup=0 .*-o Dir::Etc::sourcelist=\/dev\/null/)
    expect(steps[0]).toContain(' mDME')
    expect(steps[1]).toContain('apt-get indextargets')
    expect(apply({ enabled: false }, {}).steps.some((step) => step.includes('apt-get update'))).toBe(false)
  })

  it.each([
    [
      'E: The repository is not signed.',
      'declare the key and the fingerprint with which the publisher signs this repository; nothing was changed',
    ],
    [
      'E: Could not resolve host',
      "check the address, and the host's network, name resolution and proxy (Acquire::http::Proxy); nothing was changed",
    ],
    [
      'E: Certificate verification failed',
      'declare the package ca-certificates before the repository if the host does not have it, or check the certificate of the server',
    ],
    ['E: 404 Not Found', 'check uris, suites and components, then run again; nothing was changed'],
  ])('is not added if apt says %s', (stderr, fix) => {
    const { steps, refusal } = apply({}, {}, () => ({ code: 1, stderr }))
    expect(refusal).toMatchObject({ what: 'apt cannot use repository shop', why: stderr, fix, culprit: 'shop', done: [] })
    expect(steps).toHaveLength(1)
  })

  it('is not added while another program holds the lists, or beside a file that contradicts it', () => {
    expect(apply({}, {}, () => ({ code: 75, stderr: 'apt-get (pid 7)' })).refusal?.what).toBe('lists are locked by another program')
    const together = apply({}, {}, (step) => (step.includes('indextargets') ? { code: 1, stderr: 'E: Conflicting values' } : {}))
    expect(together.refusal).toMatchObject({
      what: 'apt cannot use repository shop together with the others of the host',
      why: 'E: Conflicting values',
    })
    expect(together.steps).toHaveLength(2)
  })

  it('names the repository whose file changed since the observation', () => {
    const { refusal } = apply({}, {}, (step) =>
      step.includes('indextargets') || step.includes('update')
        ? {}
        : { code: 68, stdout: Buffer.from(`culprit\0${SOURCE}\0`), stderr: 'it changed' },
    )
    expect(refusal).toMatchObject({ why: 'it changed', culprit: 'shop' })
  })

  it('deletes the file of a key that was fetched before', () => {
    const files = { [SOURCE]: sourceOf({}), [KEY]: REPO }
    expect(planOf({}, files)).toMatchObject({ action: 'update', reason: 'key differs' })
    expect(apply({}, files).steps.at(-1)).toContain(`gone\0${KEY}\0`)
  })
})

describe('a repository with a key from a URL', () => {
  const options = { key: URL_OF_KEY }
  const source = `Types: deb\nURIs: https://example.test/debian\nSuites: stable\nComponents: main\nSigned-By: ${KEY}\n`
  const key = armored(written(apply(options, {}, fetched(REPO)).steps))

  it('is planned with its fingerprint, and writes the key before the source', () => {
    expect(planOf(options, {})).toEqual({
      ...{ action: 'create', certainty: 'dependent', reason: 'missing' },
      differences: [{ key: 'key', to: REPO_PRINT }],
    })
    const { steps, refusal } = apply(options, {}, fetched(REPO))
    expect(refusal).toBeUndefined()
    expect(steps.map(isFetch)).toEqual([true, false, false, false])
    const last = steps.at(-1) ?? ''
    expect(last.indexOf(`file\0${KEY}\0`)).toBeGreaterThan(-1)
    expect(last.indexOf(`file\0${KEY}\0`)).toBeLessThan(last.indexOf(`file\0${SOURCE}\0`))
    expect(last).toContain(source)
  })

  it('has nothing to do afterwards, and is fetched again only if the key is another one', () => {
    const files = { [SOURCE]: source, [KEY]: key }
    expect(planOf(options, files)).toBeUndefined()
    expect(planOf(options, { ...files, [KEY]: OTHER })).toMatchObject({ action: 'update', certainty: 'dependent', reason: 'key differs' })
    expect(planOf(options, { [SOURCE]: source })).toMatchObject({ action: 'update', reason: 'key differs' })
    // A key that others appended to the file would be trusted too.
    expect(planOf(options, { ...files, [KEY]: key + OTHER })).toMatchObject({ reason: 'key differs' })
    expect(planOf({ ...options, suites: 'next' }, files)).toMatchObject({ certainty: 'exact', reason: 'content differs' })
    expect(apply({ ...options, suites: 'next' }, files).steps.some(isFetch)).toBe(false)
  })

  it.each([
    [OTHER, `the key from ${URL_OF_KEY} has the fingerprint ${OTHER_PRINT}, which is not declared`],
    [REPO + OTHER, `the key from ${URL_OF_KEY} has the fingerprint ${OTHER_PRINT}, which is not declared`],
    ['<html>', `the key from ${URL_OF_KEY} cannot be used: it is no OpenPGP key`],
    ['', `the key from ${URL_OF_KEY} cannot be used: it is empty`],
  ])('trusts no other key (%#)', (bytes, why) => {
    const { steps, refusal } = apply(options, {}, fetched(bytes))
    expect(refusal).toMatchObject({ what: 'key of repository shop is not trusted', why, culprit: 'shop' })
    expect(steps).toHaveLength(1)
  })

  it('reports a server that does not answer', () => {
    const { refusal } = apply(options, {}, () => ({ code: 1, stderr: 'E: 404' }))
    expect(refusal).toMatchObject({ what: `key of repository shop was not fetched from ${URL_OF_KEY}`, why: 'E: 404' })
  })

  it('is deleted with its key', () => {
    const absent = { state: 'absent' }
    expect(planOf(absent, { [SOURCE]: source, [KEY]: key })).toMatchObject({ action: 'delete', certainty: 'exact' })
    expect(planOf(absent, { [KEY]: key })).toMatchObject({ action: 'delete' })
    expect(planOf(absent, {})).toBeUndefined()
    const last = apply(absent, { [SOURCE]: source, [KEY]: key }).steps.at(-1) ?? ''
    expect(last.indexOf(`gone\0${SOURCE}\0`)).toBeLessThan(last.indexOf(`gone\0${KEY}\0`))
  })
})

describe('a package of a repository that is added in the same run', () => {
  const state = { status: 'not-installed', version: '', held: false }
  const simulated = { isPossible: false, installs: [], removes: [], words: ['E: Unable to locate package shop'], isFinal: true }
  const later = { ...context, changesBelow: (directory: string) => directory === '/etc/apt/sources.list.d' }

  it('is planned with a version that is not known yet, and not refused', () => {
    const { spec } = pkg({ name: 'shop' })
    expect(pkg.kind.plan(spec, { ...state, simulated }, later)).toMatchObject({
      ...{ action: 'create', certainty: 'dependent' },
      differences: [{ key: 'version', to: '‹made in this run›' }],
    })
    expect(pkg.kind.forbids?.(spec, { ...state, simulated }, later)).toBeUndefined()
    expect(pkg.kind.forbids?.(spec, { ...state, simulated }, context)?.what).toBe('package shop cannot be installed')
  })
})

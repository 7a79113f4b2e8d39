import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mergeDeclared } from '../../../../src/engine/plan/declared.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { permissions } from '../../../../src/resource/file/permissions.ts'
import { text } from '../../../../src/resource/kind/content.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { line } from '../../../../src/resource/part/line.ts'
import { diffTexts } from '../../../../src/resource/part/texts.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { context } from '../recorded.ts'
import { type Editing, editedBy, editing } from './edited.ts'

let host: Editing
beforeEach(() => {
  host = editing()
})
afterEach(() => host.remove())

const at = (name: string): string => host.at(name)

const edited = (content: string | Uint8Array, options: Omit<Parameters<typeof line>[0], 'path'>): string =>
  editedBy(line({ path: '/etc/conf', ...options }), content)

describe('a line', () => {
  it.each([
    ['is appended', 'a\nb\n', { line: 'c' }, 'a\nb\nc\n'],
    ['is left where it is', 'c\na\n', { line: 'c' }, 'c\na\n'],
    ['is compared as a whole', ' c\ncc\n', { line: 'c' }, ' c\ncc\nc\n'],
    ['replaces the first that matches', '#Port 22\nPort 1\n', { line: 'Port 2222', regexp: '^#?Port\\b' }, 'Port 2222\nPort 1\n'],
    ['replaces all that match', 'x 1\ny\nx 2\n', { line: 'x 3', regexp: '^x', occurrences: 'all' }, 'x 3\ny\nx 3\n'],
    ['replaces the first with a text', 'a.b 1\naxb\n', { line: 'a.b 2', contains: 'a.b' }, 'a.b 2\naxb\n'],
    ['is appended if none matches', 'a\n', { line: 'x 1', regexp: '^x' }, 'a\nx 1\n'],
    ['is inserted after the last match', '[a]\n[a]\nb\n', { line: 'c', after: '^\\[a' }, '[a]\n[a]\nc\nb\n'],
    ['is inserted before the first match', 'b\n[a]\n[a]\n', { line: 'c', before: '^\\[a' }, 'b\nc\n[a]\n[a]\n'],
    ['is inserted at the beginning', 'a\n', { line: 'c', at: 'begin' }, 'c\na\n'],
    [
      'keeps what its expression finds',
      'key = old # why\n',
      { line: '\\1new\\g<rest>', regexp: '^(key = )(?:old|new)(?<rest>.*)$', backreferences: true },
      'key = new # why\n',
    ],
    ['is not inserted from groups that nothing matched', 'a\n', { line: '\\1', regexp: '^(x)$', backreferences: true }, 'a\n'],
    ['is deleted wherever it is', 'c\na\nc\n', { line: 'c', state: 'absent' }, 'a\n'],
    ['is deleted where it matches', 'x 1\na\nx 2\n', { regexp: '^x', state: 'absent' }, 'a\n'],
    ['is deleted where it has a text', 'a\n-b-\n', { contains: 'b', state: 'absent' }, 'a\n'],
  ] as const)('%s', (_, before, options, wanted) => {
    expect(edited(before, options)).toBe(wanted)
  })

  it.each([
    ['a file without a final newline', 'a\nb', { line: 'c' }, 'a\nb\nc\n'],
    ['the last line of such a file', 'a\nb', { line: 'b 2', regexp: '^b' }, 'a\nb 2'],
    ['an empty file', '', { line: 'c' }, 'c\n'],
    ['lines that end with CR and LF', 'a\r\nb\r\n', { line: 'b 2', regexp: '^b$|^b 2$' }, 'a\r\nb 2\r\n'],
    ['such a file, where a line is appended', 'a\r\nb', { line: 'c' }, 'a\r\nb\r\nc\r\n'],
    ['a byte order mark', '\u00ef\u00bb\u00bfa\n', { line: 'c', at: 'end' }, '\u00ef\u00bb\u00bfa\nc\n'],
  ] as const)('keeps the form of %s', (_, before, options, wanted) => {
    expect(edited(Buffer.from(before, 'latin1'), options)).toBe(wanted)
  })

  it('keeps every byte of a file that is not UTF-8, and is UTF-8 itself', () => {
    const [latin, utf8] = ['caf\u00e9\n', Buffer.from('é = ü').toString('latin1')]
    expect(edited(Buffer.from(latin, 'latin1'), { line: 'é = ü', regexp: '^é' })).toBe(`${latin}${utf8}\n`)
  })

  it('edits a file with very long lines, in time that is linear in them', () => {
    const long = 'a'.repeat(100_000)
    const started = performance.now()
    expect(edited(`${long}\nx\n`, { line: 'x 1', regexp: '^(a+)+x|^x' })).toBe(`${long}\nx 1\n`)
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('creates the file only with create: true, with its mode', () => {
    expect(host.refusals(line({ path: at('none'), line: 'a' }))).toEqual([
      `${at('none')} does not exist: a part of it is declared (line), and no earlier change of this run creates it: correct the path, declare the package that has the file first, or set create: true`,
    ])
    const created = line({ path: at('none'), line: 'a', create: true, mode: '640' })
    expect(host.converge(created)).toBe(1)
    expect([host.read('none'), statSync(at('none')).mode & 0o777]).toEqual(['a\n', 0o640])
    expect(host.pending(created, line({ path: at('other'), line: 'a', state: 'absent' }))).toEqual([])
  })

  it('keeps mode and owner of the file', () => {
    const path = host.write('conf', 'a\n')
    chmodSync(path, 0o600)
    host.sh(`chown 1:2 ${path}`)
    expect(host.converge(line({ path, line: 'b', mode: '644' }))).toBe(1)
    const { mode, uid, gid } = statSync(path)
    expect([host.read('conf'), mode & 0o777, uid, gid]).toEqual(['a\nb\n', 0o600, 1, 2])
  })

  it('keeps an owner that has no name', () => {
    const path = host.write('conf', 'a\n')
    host.sh(`chown 61234:61235 ${path}`)
    expect(host.converge(line({ path, line: 'b' }))).toBe(1)
    expect([host.read('conf'), statSync(path).uid, statSync(path).gid]).toEqual(['a\nb\n', 61234, 61235])
  })

  it('does not follow a link, and names where it leads', () => {
    host.write('real', 'a\n')
    symlinkSync('real', at('link'))
    const one = line({ path: at('link'), line: 'b' })
    expect(host.pending(one).map(({ change }) => change.reason)).toEqual([`${at('link')} is a symbolic link`])
    expect(host.converge(one)).toMatchObject({ what: `${at('link')} was not edited`, why: 'it is a symbolic link', culprit: one.id })
    expect([host.read('real'), lstatSync(at('link')).isSymbolicLink()]).toEqual(['a\n', true])
  })

  it.each([
    ['a directory', () => mkdirSync(at('conf')), 'is a directory'],
    ['a file with NUL bytes', () => writeFileSync(at('conf'), 'a\0b\n'), 'is not a text file'],
    ['a file of more than 1 MiB', () => writeFileSync(at('conf'), 'a\n'.repeat(600_000)), 'was not read'],
  ])('refuses %s', (_, make, reason) => {
    make()
    const one = line({ path: at('conf'), line: 'b' })
    expect(host.pending(one).map(({ change }) => change.reason)).toEqual([`${at('conf')} ${reason}`])
    expect(host.converge(one)).toMatchObject({ what: `${at('conf')} was not edited`, culprit: one.id })
  })

  it('refuses a position that the file does not have', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: 'b', after: '^x' })
    expect(host.refusals(one)).toEqual([
      `${path} cannot be edited: no line matches after: ^x; none of 1 lines matches it: correct the regular expression, or leave the option out to insert at the end`,
    ])
    expect(host.converge(one)).toMatchObject({ what: `${path} was not edited` })
    expect(host.read('conf')).toBe('a\n')
  })

  it('never overwrites an edit by hand between plan and write', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: 'b' })
    const work = host.pending(one).map(({ resource, state, change }) => ({ id: resource.id, spec: resource.spec, state, change }))
    host.write('conf', 'a\nby hand\n')
    expect(host.apply(work, line.kind)).toMatchObject({ why: expect.stringContaining('is not as it was observed'), culprit: one.id })
    expect(host.read('conf')).toBe('a\nby hand\n')
  })

  it('never overwrites what a step of the run itself has written', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: 'b' })
    const work = host.pending(one).map(({ resource, state, change }) => ({ id: resource.id, spec: resource.spec, state, change }))
    const step = `: >"$T/step.1.from"; echo script >>${path}; : >"$T/step.1.to"; chmod 640 ${path}`
    expect(host.apply(work, line.kind, step)).toMatchObject({ why: expect.stringContaining('is not as it was observed') })
    expect(host.read('conf')).toBe('a\nscript\n')
  })

  it('after a script that left no file, it creates one only with create: true', () => {
    const after = (...options: readonly object[]) =>
      options.map((more) => {
        const { id, spec } = line({ path: at('none'), line: 'b', ...more })
        const change = { action: 'create', certainty: 'dependent', reason: '', differences: [] } as const
        return host.apply([{ id, spec, state: { file: 'absent' }, change }], line.kind)
      })
    expect(after({}, { create: true, mode: '640' })).toEqual([expect.objectContaining({ what: `${at('none')} does not exist` }), undefined])
    expect([host.read('none'), statSync(at('none')).mode & 0o777]).toEqual(['b\n', 0o640])
  })

  it('replaces nothing but the observed content, also if a package of the run has changed it', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: 'b' })
    const [work] = host.pending(one).map(({ resource, state, change }) => ({ id: resource.id, spec: resource.spec, state, change }))
    const step = work && one.kind.apply([work]).next().value
    const input = Buffer.from(step?.do === 'shell' ? (step.input as Uint8Array) : []).toString()
    // The word makes the program ignore that a step or a package of this run may have written the file.
    expect(input.split('\0')).toContain('edit')
    expect(input).not.toContain('file\0')
  })

  it('after a script or an installation, it edits what is there then', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: 'c', after: '^b' })
    const [first] = host.pending(line({ path, line: 'x' }))
    host.write('conf', 'b\nd\n')
    const work = [{ id: one.id, spec: one.spec, state: first?.state, change: first?.change ?? ({} as never), afterScripts: true }]
    expect(host.apply(work, line.kind)).toBeUndefined()
    expect(host.read('conf')).toBe('b\nc\nd\n')
  })
})

describe('a line in a file that another account controls', () => {
  it.each([
    ['a file with NUL bytes', 'a\0', {}, 'it is not a text file: it has NUL bytes'],
    ['a file without the place', 'a\n', { after: '^x' }, 'no line matches after: ^x; none of 1 lines matches it'],
    ['a file of 1 MiB', 'a\n'.repeat(600_000), {}, 'it has more than 1048576 bytes'],
  ])('fails alone: %s keeps no other change from the host', (_, content, options, why) => {
    const path = host.write('conf', content)
    host.sh(`chown 1:1 ${path}`)
    const one = line({ path, line: 'b', ...options })
    expect(host.refusals(one)).toEqual([])
    expect(host.converge(one)).toMatchObject({
      what: `${path} was not edited`,
      why: `${why} (owner: daemon)`,
      culprit: one.id,
      account: 'daemon',
    })
  })

  it('fails alone if the account has deleted the file, or made it a link', () => {
    host.sh('mkdir theirs; chown 1:1 theirs')
    const one = line({ path: at('theirs/conf'), line: 'b' })
    expect(host.refusals(one)).toEqual([])
    expect(host.converge(one)).toMatchObject({ what: `${at('theirs/conf')} does not exist`, account: 'daemon' })
    host.sh('ln -s /etc/passwd theirs/conf')
    expect(host.converge(one)).toMatchObject({ why: 'it is a symbolic link (owner: daemon)', account: 'daemon' })
  })

  it('is written with the owner of the file, and never through a link that comes meanwhile', () => {
    host.sh('mkdir theirs; echo a >theirs/conf; chown -R 1:1 theirs')
    const one = line({ path: at('theirs/conf'), line: 'b' })
    expect(host.converge(one)).toBe(1)
    expect([host.read('theirs/conf'), statSync(at('theirs/conf')).uid]).toEqual(['a\nb\n', 1])
    const two = line({ path: at('theirs/conf'), line: 'c' })
    const work = host.pending(two).map(({ resource, state, change }) => ({ id: resource.id, spec: resource.spec, state, change }))
    host.write('victim', 'a\nb\n')
    host.sh('ln -sf ../victim theirs/conf')
    expect(host.apply(work, line.kind)).toMatchObject({ why: expect.stringContaining('is not as it was observed'), account: 'daemon' })
    expect(host.read('victim')).toBe('a\nb\n')
  })

  it('does not read a hard link to a file of a third account', () => {
    host.sh('mkdir theirs; echo secret >victim; chmod 600 victim; ln victim theirs/conf; chown 1:1 theirs')
    const one = line({ path: at('theirs/conf'), line: 'b' })
    expect(host.converge(one)).toMatchObject({
      why: 'it cannot be read, or is a hard link to a file of another account (owner: daemon)',
      account: 'daemon',
    })
  })
})

describe('several lines of one file', () => {
  it('are one write, in the order of declaration, and the later ones see the earlier', () => {
    const path = host.write('conf', 'a\n')
    const lines = [
      line({ path, line: '[b]' }),
      line({ path, line: 'c = 1', after: '^\\[b' }),
      line({ path, regexp: '^a', state: 'absent' }),
      line({ path, line: 'd' }),
    ]
    expect(host.pending(...lines).map(({ change }) => [change.action, change.certainty])).toEqual([
      ['create', 'exact'],
      ['create', 'exact'],
      ['delete', 'exact'],
      ['create', 'exact'],
    ])
    expect(host.converge(...lines)).toBe(1)
    expect(host.read('conf')).toBe('[b]\nc = 1\nd\n')
    expect(host.pending(...lines)).toEqual([])
  })

  it('each have the diff of their own change', async () => {
    const path = host.write('conf', 'a\n')
    expect(await host.diffs(line({ path, line: 'b' }), line({ path, line: 'c' }))).toEqual([
      `${'='.repeat(67)}\n--- ${path}\n+++ ${path}\n@@ -1,1 +1,2 @@\n a\n+b\n`,
      `${'='.repeat(67)}\n--- ${path}\n+++ ${path}\n@@ -1,2 +1,3 @@\n a\n b\n+c\n`,
    ])
  })

  it('that undo each other are refused, with both names', () => {
    const path = host.write('conf', 'x\n')
    const [one, two] = [line({ path, line: 'port 1', regexp: '^port' }), line({ path, line: 'port 2', contains: 'port' })]
    expect(host.refusals(one, two)).toEqual([
      `line ${two.id} and line ${one.id} contradict each other: both edit ${path}, and each undoes the change of the other: declare one of them, or correct their regular expressions`,
    ])
    // Also if the first is as declared now.
    host.write('conf', 'port 1\n')
    expect(host.refusals(one, two)).toHaveLength(1)
  })

  it('are an input error beside a resource with the whole file, and with different values of one line', () => {
    const declared = (...resources: readonly Resource[]) =>
      mergeDeclared(
        'web-01',
        resources.map((resource) => ({ play: 0, role: 'shop', resource })),
      )
    const one = line({ path: '/etc/x', line: 'a 1', regexp: '^a' })
    expect(declared(one, line({ path: '/etc/x', line: 'b' }), file({ path: '/etc/y' }))).toHaveLength(3)
    expect(() => declared(one, file({ path: '/etc/x' }))).toThrow(
      expect.objectContaining({
        where: { host: 'web-01', resource: 'line:/etc/x#^a' },
        what: '/etc/x is declared as a whole and in part',
        why: 'role shop declares file:/etc/x, which has the whole content, and role shop declares a part of it',
      }),
    )
    expect(() => declared(one, line({ path: '/etc/x', line: 'a 2', regexp: '^a' }))).toThrow('declares this resource twice')
  })

  it('whose edit would be repeated by every run is refused', () => {
    const path = host.write('conf', 'a\na\n')
    expect(host.refusals(line({ path, line: '\\1a', regexp: '^(a+)$', backreferences: true }))[0]).toContain(
      `every run would change ${path} again`,
    )
    expect(host.refusals(line({ path, regexp: '^a', state: 'absent', occurrences: 'first' }))[0]).toContain('every run would change')
  })
})

describe('a line that no role declares any more', () => {
  it('comes back also after a run that its checker refused', () => {
    const path = host.write('conf', 'port 1\n')
    const port = (n: number) => line({ path, line: `port ${n}`, regexp: '^port', check: ['grep', '-q', 'port [1-9]', '%s'] })
    expect(host.converge(port(2))).toBe(1)
    expect(host.converge(port(0))).toMatchObject({ what: `grep rejected the new content of ${path}`, culprit: port(0).id })
    expect(host.read('conf')).toBe('port 2\n')
    expect(host.converge(port(3))).toBe(1)
    host.record('role', [port(3)])
    const orphans = host.orphans('role', [port(3)])
    expect(host.apply(orphans, orphans[0]?.kind as never)).toBeUndefined()
    expect([host.read('conf'), readdirSync(at('state/parts'))]).toEqual(['port 1\n', []])
  })

  it('is deleted, and one that it replaced comes back, unless somebody changed it since', () => {
    const path = host.write('conf', 'keep\nport 1\nport 9\nold\n')
    const inserted = line({ path, line: 'new' })
    const replaced = line({ path, line: 'port 2', regexp: '^port' })
    const changed = line({ path, line: 'mine', contains: 'mine' })
    const known = line({ path, line: 'keep' })
    expect(host.converge(inserted, replaced, changed, known)).toBe(1)
    // The same line with another value keeps what was there first.
    expect(host.converge(line({ path, line: 'port 3', regexp: '^port' }))).toBe(1)
    host.write('conf', host.read('conf').replace('mine', 'mine by hand'))
    const all = [inserted, replaced, changed, known]
    host.record('role', all)
    const orphans = host.orphans('role', all)
    expect(orphans.map(({ change }) => `${change.action}: ${change.reason}`)).toEqual([
      'delete: no role declares it any more',
      'delete: no role declares it any more',
      'update: kept, dropped from the ownership record: somebody else changed it',
      'update: kept, dropped from the ownership record: provision changed nothing in the file for it',
    ])
    expect(host.apply(orphans, orphans[0]?.kind as never)).toBeUndefined()
    expect(host.read('conf')).toBe('keep\nport 1\nport 9\nold\nmine by hand\n')
    expect(host.orphans('role', all)).toEqual([])
  })
})

describe('a line with a secret', () => {
  const password = new Secret('hunter2')

  it('is written, and shown nowhere', async () => {
    const path = host.write('conf', 'password = old\n')
    chmodSync(path, 0o600)
    const one = line({ path, line: text`password = ${password}`, regexp: '^password' })
    const [pending] = host.pending(one)
    expect(JSON.stringify(pending?.change.differences)).toBe('[{"key":"line","to":"password = •••"}]')
    expect(await host.diffs(one)).toEqual([undefined])
    expect(host.converge(one)).toBe(1)
    expect(host.read('conf')).toBe('password = hunter2\n')
    // The journal has a digest of it, and is readable by root only.
    const [journal = ''] = readdirSync(at('state/parts'))
    expect(host.read(`state/parts/${journal}`)).not.toContain('hunter2')
    expect(statSync(at(`state/parts/${journal}`)).mode & 0o777).toBe(0o600)
  })

  it('is refused in a file that every account can read', () => {
    const path = host.write('conf', '')
    expect(host.refusals(line({ path, line: password, name: 'password' }))).toEqual([
      `${path} would show a secret: every account can read it (mode 644): declare \`permissions: { path: ${path}, mode: 640 }\` before it, if its readers permit; if the run creates it, set mode: 640 or 600`,
    ])
    expect(host.converge(line({ path, line: password, name: 'password' }))).toMatchObject({ what: `${path} would show a secret` })
  })

  it('needs permissions in a file that a package of the run brings, because all can read what packages bring', () => {
    const options = { path: '/etc/shop.conf', line: password, name: 'password' }
    const found = (more: object, other: object = {}, changing: readonly string[] = []) => {
      const { spec } = line({ ...options, ...other })
      const planned = { ...context, ...more, changes: (key: string) => changing.includes(key) }
      const refusal = line.kind.forbids?.(spec, { file: 'absent' }, planned)
      return refusal === undefined ? line.kind.plan(spec, { file: 'absent' }, planned)?.certainty : `${refusal.what}: ${refusal.fix}`
    }
    const refused =
      '/etc/shop.conf would show a secret: declare `permissions: { path: /etc/shop.conf, mode: 640 }` before it, after the package'
    expect(found({ packagesPending: true })).toBe(refused)
    expect(found({ anyPackagesPending: true })).toBe(refused)
    expect(found({ packagesPending: true }, {}, ['permissions:/etc/shop.conf'])).toBe('dependent')
    expect(found({ packagesPending: true }, {}, ['permissions:/etc/other.conf'])).toBe(refused)
    expect(found({ packagesPending: true, opaquePending: true })).toBe('dependent')
    expect(found({ packagesPending: true }, { create: true, mode: '600' })).toBe('dependent')
    expect(found({ packagesPending: true }, { line: 'open' })).toBe('dependent')
  })

  it('can follow permissions that close the file, and is not written if they do not', () => {
    const path = host.write('conf', 'a\n')
    const one = line({ path, line: password, name: 'password' })
    const closed = permissions({ path, mode: '640' })
    expect(host.refusals(closed, one)).toEqual([])
    const pending = host.pending(closed, one)
    expect(pending.map(({ change }) => change.certainty)).toEqual(['exact', 'dependent'])
    const [, second] = pending.map(({ resource: { id, spec }, state, change }) => ({ id, spec, state, change }))
    if (second === undefined) throw new Error('not planned')
    expect(host.apply([second], line.kind)).toMatchObject({ what: `${path} would show a secret` })
    expect(host.read('conf')).toBe('a\n')
    chmodSync(path, 0o640)
    expect(host.apply([second], line.kind)).toBeUndefined()
    expect([host.read('conf'), statSync(path).mode & 0o777]).toEqual(['a\nhunter2\n', 0o640])
  })

  it('has no diff in any file, and any other line only where every account can read it', () => {
    const diffOf = (content: string | Secret, mode?: string) => {
      const { spec } = line({ path: '/etc/x', line: content, name: 'x' })
      const edit = {
        path: '/etc/x',
        before: Buffer.from('a\n'),
        after: Buffer.from(`a\n${'b'.repeat(600)}\n`),
        ...(mode !== undefined && { mode }),
      }
      return diffTexts(spec, { action: 'create', certainty: 'exact', reason: '', differences: [], edits: [edit] })
    }
    expect([diffOf(password, '644'), diffOf('b', '640'), diffOf('b')]).toEqual([undefined, undefined, undefined])
    expect(diffOf('b', '644')).toEqual({ name: '/etc/x', before: 'a\n', after: `a\n${'b'.repeat(500)}… (600 characters)\n` })
  })

  it('can follow the part that creates the file, whose mode counts', async () => {
    const path = at('conf')
    const parts = [
      line({ path, line: 'absent', state: 'absent' }),
      line({ path, line: password, name: 'one', create: true, mode: '600' }),
      line({ path, line: text`token ${password}`, name: 'two' }),
      line({ path, line: 'open' }),
    ]
    expect(host.refusals(...parts)).toEqual([])
    expect(await host.diffs(...parts)).toEqual([undefined, undefined, undefined])
    expect(host.converge(...parts)).toBe(1)
    expect([host.read('conf'), statSync(path).mode & 0o777]).toEqual(['hunter2\ntoken hunter2\nopen\n', 0o600])
    expect(host.pending(...parts)).toEqual([])
  })

  it('of a file that others cannot read, the plan shows no text of the host', async () => {
    const path = host.write('conf', 'token old\n')
    chmodSync(path, 0o640)
    const one = line({ path, line: 'token new', regexp: '^token' })
    expect(host.pending(one)[0]?.change.differences).toEqual([{ key: 'line', to: 'token new' }])
    expect(await host.diffs(one)).toEqual([undefined])
  })
})

describe('the options', () => {
  const path = '/etc/x'
  it.each([
    [{ path }, 'line: must be given, unless state is absent'],
    [{ path, state: 'absent' }, 'line: must be given, or regexp or contains'],
    [{ path, line: 'a\nb' }, 'line: must be one line without control characters'],
    [{ path, line: 'b', regexp: '^a' }, 'regexp: must match the new line too: otherwise every run would insert the line again'],
    [{ path, line: 'b', contains: 'a' }, 'regexp: must match the new line too: otherwise every run would insert the line again'],
    [{ path, line: 'a', regexp: 'a', contains: 'a' }, 'contains: must not be given with regexp'],
    [{ path, line: 'a', after: 'x', at: 'begin' }, 'at: at most one of after, before and at can be given'],
    [{ path, line: 'a', backreferences: true }, 'backreferences: need regexp, and the state present'],
    [{ path, line: '\\2', regexp: '(a)', backreferences: true }, 'line: must not refer to \\2, a group that regexp does not have'],
    [
      { path, line: '\\g<b>', regexp: '(?<a>a)', backreferences: true },
      'line: must not refer to \\g<b>, a group that regexp does not have',
    ],
    [{ path, line: new Secret('a') }, 'name: must be given for a line with a secret, which cannot name the resource'],
    [
      { path, regexp: '(?!a)', state: 'absent' },
      'regexp: must be a regular expression without a lookaround, which cannot be matched in linear time',
    ],
    [{ path, line: 'a', regexp: '*' }, 'regexp: must be a regular expression without a repetition of nothing'],
    [
      { path, regexp: 'a\nb', state: 'absent' },
      'regexp: must be a regular expression without line ends: it is compared with one line at a time',
    ],
    [{ path, line: 'a', check: ['sshd', '-t'] }, 'check: must have %s, which becomes the path of the candidate'],
    [{ path: '/etc/../x', line: 'a' }, 'path: must not contain . or ..'],
  ])('%j is refused', (options, message) => {
    const { success, error } = line.kind.schema.safeParse(options as never)
    expect([success, error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)]).toEqual([false, [message]])
  })
})

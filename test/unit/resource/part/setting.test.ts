import { describe, expect, it } from 'vitest'
import { editPart, type PartSpec } from '../../../../src/resource/part/edits.ts'
import { setting } from '../../../../src/resource/part/setting.ts'
import { EMPTY, readTextFile } from '../../../../src/resource/part/text.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { editedBy } from './edited.ts'

type Options = Omit<Parameters<typeof setting>[0], 'path'>
const edited = (content: string, options: Options): string => editedBy(setting({ path: '/etc/conf', ...options }), content)

describe('a setting', () => {
  it.each([
    ['is appended', 'a = 1\n', { key: 'b', value: 2 }, 'a = 1\nb = 2\n'],
    ['keeps the form of its line', 'a=1\n\tb=1  \n', { key: 'b', value: 2 }, 'a=1\n\tb=2\n'],
    ['is as declared in any form', 'b   =2 \n', { key: 'b', value: 2 }, 'b   =2 \n'],
    ['gets its value on each line, whichever wins', 'b = 1\nb = 3\n', { key: 'b', value: 2 }, 'b = 2\nb = 2\n'],
    ['follows its commented-out default', '# about b\n#b = 1\nc = 1\n', { key: 'b', value: 2 }, '# about b\n#b = 1\nb = 2\nc = 1\n'],
    ['is not a longer name', 'bb = 1\nb.c = 1\nx b = 1\n', { key: 'b', value: 2 }, 'bb = 1\nb.c = 1\nx b = 1\nb = 2\n'],
    ['gets a separator where the line has none', 'b\n', { key: 'b', value: 2 }, 'b = 2\n'],
    ['can have an empty value', 'b = 1\n', { key: 'b', value: '' }, 'b = \n'],
    ['can be true', '', { key: 'b', value: true }, 'b = true\n'],
    ['can have a = in its value', 'b = x=1\n', { key: 'b', value: 'x=2' }, 'b = x=2\n'],
    ['has the declared separator', '', { key: 'b', value: 2, separator: '=' }, 'b=2\n'],
    ['is deleted, and its default stays', '#b = 1\nb = 2\nb=3\n', { key: 'b', state: 'absent' }, '#b = 1\n'],
    ['is before the first section', 'a = 1\n\n[s]\nb = 1\n', { key: 'b', value: 2 }, 'a = 1\nb = 2\n\n[s]\nb = 1\n'],
    ['is in its section', '[s]\nb = 1\n\n[t]\nb = 1\n', { key: 'b', value: 2, section: 't' }, '[s]\nb = 1\n\n[t]\nb = 2\n'],
    ['is added to its section', '[s]\na = 1\n\n[t]\n', { key: 'b', value: 2, section: 's' }, '[s]\na = 1\nb = 2\n\n[t]\n'],
    ['is added to an empty section', '[s]\n[t]\n', { key: 'b', value: 2, section: 's' }, '[s]\nb = 2\n[t]\n'],
    ['makes its section', 'a = 1\n', { key: 'b', value: 2, section: 's' }, 'a = 1\n\n[s]\nb = 2\n'],
    ['of a missing section is absent', 'b = 1\n', { key: 'b', section: 's', state: 'absent' }, 'b = 1\n'],
    [
      'of sshd ignores case, and stays before Match',
      '#Port 22\nport 1\nMatch User x\nPort 3\n',
      { key: 'Port', value: 2, format: 'sshd' },
      '#Port 22\nport 2\nMatch User x\nPort 3\n',
    ],
    [
      'of sshd is added before Match',
      'A b\n\nMatch User x\n  B c\n',
      { key: 'X11Forwarding', value: 'no', format: 'sshd' },
      'A b\nX11Forwarding no\n\nMatch User x\n  B c\n',
    ],
    [
      'of sshd is in a Match block',
      'Match User x\n  B c\n',
      { key: 'B', value: 'd', format: 'sshd', section: 'Match User x' },
      'Match User x\n  B d\n',
    ],
    ['of a shell has no blanks', 'A=1\n', { key: 'B', value: '"x y"', format: 'shell' }, 'A=1\nB="x y"\n'],
    ['with a colon', 'a: 1\n', { key: 'b', value: 'x', format: 'colon' }, 'a: 1\nb: x\n'],
    ['keeps the ends of lines', 'a = 1\r\n', { key: 'b', value: 2 }, 'a = 1\r\nb = 2\r\n'],
  ] as const)('%s', (_, before, options, wanted) => {
    expect(edited(before, options)).toBe(wanted)
  })

  it.each([
    [{ key: 'b' }, 'value: must be given, unless state is absent'],
    [{ key: ' b', value: 1 }, 'key: must not begin or end with a space'],
    [{ key: '#b', value: 1 }, 'key: must not begin with a comment'],
    [{ key: 'b', value: 'a\nb' }, 'value: must be one line without control characters'],
    [{ key: 'b', value: 1, format: 'shell', section: 's' }, 'section: must not be given for this format, which has no sections'],
    [{ key: 'b', value: 1, separator: '==' }, 'separator: must be blanks, with at most one = or :'],
  ])('%j is refused', (options, message) => {
    const { error } = setting.kind.schema.safeParse({ path: '/etc/x', ...options })
    expect(error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)).toEqual([message])
  })

  it('remembers each line that it replaced, to restore it', () => {
    const { spec } = setting({ path: '/etc/x', key: 'b', value: 2 })
    const piecesOf = (text: string): unknown => {
      const result = editPart(spec as PartSpec, readTextFile(Buffer.from(text)) ?? EMPTY)
      return 'pieces' in result ? result.pieces : result
    }
    expect(piecesOf('b = 1\n b=3 # x\nb = 2\n')).toEqual([
      { wrote: ['b = 2'], former: ['b = 1'] },
      { wrote: [' b=2'], former: [' b=3 # x'] },
    ])
    expect(piecesOf('a\n')).toEqual([{ wrote: ['b = 2'] }])
  })

  it('has an identity of file, section and key', () => {
    const id = (options: object): string => setting({ path: '/etc/x', key: 'B', value: 1, ...options }).id
    expect([id({}), id({ section: 's' }), id({ format: 'sshd' })]).toEqual(['/etc/x#B', '/etc/x#[s] B', '/etc/x#b'])
  })

  it('shows no secret, and reads very long lines in time that is linear in them', () => {
    const { kind, spec } = setting({ path: '/etc/x', key: 'b', value: new Secret('hunter2') })
    const text = `${'#'.repeat(500_000)}\n${' '.repeat(500_000)}b\n`
    const change = kind.plan(
      spec,
      { file: { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' }, bytes: Buffer.from(text) },
      {
        now: new Date(0),
        packagesPending: false,
        changes: () => false,
        members: () => new Map(),
      },
    )
    expect(change?.differences).toEqual([{ key: 'setting', to: 'b = •••' }])
  })
})

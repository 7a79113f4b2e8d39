import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { block } from '../../../../src/resource/part/block.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { type Editing, editedBy, editing } from './edited.ts'

const BEGIN = '# BEGIN provision x\n'
const END = '# END provision x\n'
type Options = Omit<Parameters<typeof block>[0], 'path' | 'name'>
const edited = (content: string, options: Options): string => editedBy(block({ path: '/etc/conf', name: 'x', ...options }), content)

describe('a block', () => {
  it.each([
    ['is appended with its markers', 'a\n', { block: 'b\nc\n' }, `a\n${BEGIN}b\nc\n${END}`],
    ['is inserted where it is declared', 'a\nz\n', { block: 'b', before: '^z' }, `a\n${BEGIN}b\n${END}z\n`],
    ['stays where it is', `${BEGIN}old\n${END}a\n`, { block: 'b', at: 'end' }, `${BEGIN}b\n${END}a\n`],
    ['is as declared', `a\n${BEGIN}b\n${END}`, { block: 'b\n' }, `a\n${BEGIN}b\n${END}`],
    ['is deleted with its markers', `a\n${BEGIN}b\n${END}c\n`, { state: 'absent' }, 'a\nc\n'],
    ['that is not there is absent', 'a\n', { state: 'absent' }, 'a\n'],
    ['keeps the ends of lines', 'a\r\n', { block: 'b\n' }, `a\r\n${BEGIN}b\n${END}`.replaceAll(/\r?\n/g, '\r\n')],
    ['ends a last line without an end', 'a', { block: 'b' }, `a\n${BEGIN}b\n${END}`],
    [
      'has the comments of the file',
      'a\n',
      { block: 'b', comment: '<!--', commentEnd: '-->' },
      'a\n<!-- BEGIN provision x -->\nb\n<!-- END provision x -->\n',
    ],
    ['takes over the markers of others', 'a\n#{\nold\n#}\n', { block: 'b', begin: '#{', end: '#}' }, 'a\n#{\nb\n#}\n'],
  ] as const)('%s', (_, before, options, wanted) => {
    expect(edited(before, options)).toBe(wanted)
  })

  it.each([`${BEGIN}a\n`, `${END}a\n${BEGIN}`, `${BEGIN}${BEGIN}a\n${END}${END}`])(
    'is refused in %j, where its markers are no pair',
    (content) => {
      expect(() => edited(content, { block: 'b' })).toThrow('the markers of block x are no pair')
    },
  )

  it.each([
    [{}, 'block: must be given, unless state is absent'],
    [{ block: ' \n' }, 'block: must not be empty: declare the block with state: absent'],
    [{ block: 'a\0b' }, 'block: must be text without control characters'],
    [{ block: `a\n${END}` }, 'block: must not contain a line that is one of its markers'],
    [{ block: 'a', begin: '#{' }, 'end: must be given together with begin, and differ from it'],
    [{ block: 'a', before: 'x', after: 'x' }, 'at: at most one of after, before and at can be given'],
  ])('%j is refused', (options, message) => {
    const { error } = block.kind.schema.safeParse({ path: '/etc/x', name: 'x', ...options })
    expect(error?.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)).toEqual([message])
  })
})

describe('several blocks of one file', () => {
  let host: Editing
  beforeEach(() => {
    host = editing()
  })
  afterEach(() => host.remove())

  it('have their own markers, one write, and are undone apart', () => {
    const path = host.write('conf', 'a\n')
    const [one, two] = ['one', 'two'].map((name) => block({ path, name, block: `${name}\n` }))
    if (one === undefined || two === undefined) throw new Error('two blocks')
    expect(host.pending(one, two).map(({ change }) => [change.reason, change.differences])).toEqual([
      ['missing', [{ key: 'block', to: '1 line' }]],
      ['missing', [{ key: 'block', to: '1 line' }]],
    ])
    expect(host.converge(one, two)).toBe(1)
    expect(host.pending(one, two)).toEqual([])
    host.record('role', [one, two])
    const orphans = host.orphans('role', [one])
    expect(host.apply(orphans, orphans[0]?.kind as never)).toBeUndefined()
    expect(host.read('conf')).toBe('a\n# BEGIN provision two\ntwo\n# END provision two\n')
  })

  it('show no secret', () => {
    const path = host.write('conf', '')
    host.sh(`chmod 600 ${path}`)
    const one = block({ path, name: 'x', block: new Secret('token=hunter2') })
    expect(JSON.stringify(host.pending(one)[0]?.change.differences)).not.toContain('hunter2')
    expect(host.converge(one)).toBe(1)
    expect(host.read('conf')).toBe(`${BEGIN}token=hunter2\n${END}`)
  })
})

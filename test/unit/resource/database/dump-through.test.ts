import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type DumpState, databaseDump } from '../../../../src/resource/database/dump.ts'
import type { LocalFile } from '../../../../src/resource/kind/content.ts'
import type { ShellStep } from '../../../../src/resource/kind/step.ts'
import { context } from '../recorded.ts'

const bytes = gzipSync('-- Current Database: `a`\n-- Table structure for table `t`\n-- Table structure for table `u`\n')
const content: LocalFile = { type: 'local', path: '/p/latest.sql.gz', sha256: 'd1', size: bytes.length, open: () => bytes }
const through = { account: 'backup', command: ['/bin/rewind', 'an hour; rm'], result: 'the data of 12:00' }
const spec = (more: object = {}) => databaseDump({ name: 'latest', content, me: 'db', servers: ['db'], through, ...more }).spec
const there = (tables: readonly string[], replacedBy: readonly string[] = []): DumpState => ({ tables, replacedBy })
const change = { action: 'create', certainty: 'dependent', reason: '', differences: [] } as const

/** The scripts of an apply whose program answers with these tables. */
const scripts = (state: DumpState, lines: readonly string[], more: object = {}): readonly ShellStep[] => {
  const steps = databaseDump.kind.apply([{ id: 'latest', spec: spec(more), state, change }])
  const found: ShellStep[] = []
  let next = steps.next()
  while (next.done !== true) {
    found.push(next.value as ShellStep)
    next = steps.next({ code: 0, stdout: Buffer.from(found.length === 1 ? `${lines.join('\n')}\n` : ''), stderr: '' })
  }
  return found
}
const TABLES = ['-- Current Database: `a`', '-- Table structure for table `t`', '-- Table structure for table `new`']

describe('a dump through a program', () => {
  it.each<[string, DumpState, object, object | undefined]>([
    [
      'restores missing tables once, also those that only the result has',
      there(['a.t', 'a.u']),
      {},
      { action: 'create', certainty: 'dependent', reason: 'missing tables to be restored from the data of 12:00', differences: [] },
    ],
    ['names the tables that are missing already', there(['a.t']), {}, { differences: [{ key: 'tables', to: 'a.u' }] }],
    [
      'or replaces all',
      there(['a.t', 'a.u']),
      { loseRowsWrittenSince: true },
      { action: 'update', reason: 'all tables to be replaced by the data of 12:00', differences: [] },
    ],
  ])('%s', (_, state, more, expected) => {
    const planned = databaseDump.kind.plan(spec(more), state, context)
    expect(planned).toMatchObject(expected as object)
  })

  it('is planned again only for another dump, program or argument', () => {
    const recorded =
      String(scripts(there([]), TABLES).at(-2)?.script)
        .match(/[0-9a-f]{64}/g)
        ?.at(-1) ?? ''
    const plan = (more: object) => databaseDump.kind.plan(spec(more), there([], [recorded]), context)
    expect(plan({})).toBeUndefined()
    expect(plan({ through: { ...through, command: ['/bin/rewind', 'two hours'] } })).toBeDefined()
    expect(plan({ content: { ...content, sha256: 'd2' } })).toBeDefined()
    expect(plan({ through: undefined })).toBeDefined()
  })

  it('runs the program as its account, with the dump as input, and restores its result', () => {
    const [made, restored, removed, ...more] = scripts(there(['a.t']), TABLES)
    expect(more).toEqual([])
    expect(made?.input).toBe(bytes)
    expect(String(made?.script)).toContain(
      "setpriv --reuid=backup --regid=backup --init-groups --no-new-privs -- /bin/rewind 'an hour; rm' >",
    )
    expect(restored?.input).toBeUndefined()
    expect(String(restored?.script)).toContain('gunzip -c /var/lib/provision/database-dump/dump.sql.gz ||')
    // The table that is there is kept, and the new one of the result is restored.
    expect(String(restored?.script)).toContain("SELECT '\\''a.new'\\'' AS name")
    expect(String(restored?.script)).not.toMatch(/a\.[tu]\b/)
    expect(String(removed?.script)).toContain('rm -rf')
  })

  it('is only recorded if no table is missing', () => {
    const all = scripts(there(['a.t', 'a.new']), TABLES).map(({ script }) => String(script))
    expect(all).toHaveLength(3)
    expect(all[1]).toMatch(/^mkdir -p .* && printf .* >>/)
  })

  it.each([{ account: 'a b' }, { command: [] }, { command: [''] }])('is refused with %j', (more) => {
    expect(() => spec({ through: { ...through, ...more } })).toThrow()
  })
})

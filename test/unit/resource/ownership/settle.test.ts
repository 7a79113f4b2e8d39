import { describe, expect, it } from 'vitest'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import { readRecord, recordHead, recordLine, recordPath } from '../../../../src/resource/ownership/record.ts'
import { settling } from '../../../../src/resource/ownership/settle.ts'

const [OLD, NEW, OTHER] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string]
const inode = (type: string, target = '') => ({ type, mode: '644', owner: 'root', group: 'root', target })
const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }

/** A path on the host: a digest, a link, or nothing. */
type Disk = Readonly<Record<string, string | undefined>>

/** The record after settling, or undefined if it stays as it is. The record listed `now` when the run failed, and `before` before it. */
const settled = (
  disk: Disk,
  now: readonly string[],
  before: readonly string[] = [],
  unapplied?: readonly string[],
): readonly string[] | undefined => {
  const record = (lines: readonly string[]) => readRecord([recordHead(['site.yaml']).trim(), ...lines])
  const paths = Object.keys(disk)
  const keys = unapplied ?? paths.map((path) => `file:${path}`)
  const { kind, spec } = settling({ role: 'app', before: record(before).lines, unapplied: keys, paths })
  const answers: Answers = {
    inodes: new Map([
      [recordPath('app'), inode('f')],
      ...paths.map((path) => {
        const found = disk[path]
        return [path, found === undefined ? ABSENT : found.startsWith('->') ? inode('l', found.slice(2)) : inode('f')] as const
      }),
    ]),
    trees: new Map(),
    changed: new Map(),
    digests: new Map(paths.flatMap((path) => (/^[a-c]/.test(disk[path] ?? '') ? [[path, disk[path] ?? '']] : []))),
    texts: new Map([[recordPath('app'), [recordHead(['site.yaml']).trim(), ...now]]]),
    units: new Map(),
  }
  const state = kind.observe([spec]).parse(Buffer.alloc(0), answers).get('app')
  const change = kind.plan(spec, state, context)
  if (change === undefined) return undefined
  const written: string[] = []
  const steps = kind.apply([{ id: 'app', spec, state, change }])
  for (let step = steps.next(); step.done !== true; step = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' }))
    if (step.value.do === 'shell') written.push(String(step.value.script), String(step.value.input ?? ''))
  const lines = written.join('\n').split('\n')
  const head = lines.findIndex((line) => line.endsWith(recordHead(['site.yaml']).trim()))
  expect(head).toBeGreaterThanOrEqual(0)
  return lines.slice(head + 1).filter((line) => /^\w+:/.test(line))
}

const file = (path: string, digest: string): string => recordLine(`file:${path}`, path, digest)

describe('the record of a role with changes that were not applied', () => {
  it('drops a file that was never written', () => {
    expect(settled({ '/x': undefined }, [file('/x', NEW), 'package:nginx'])).toEqual(['package:nginx'])
  })

  it('drops a file of somebody else that was to be replaced', () => {
    expect(settled({ '/x': OTHER }, [file('/x', NEW), 'user:shop'])).toEqual(['user:shop'])
  })

  it('keeps the digest of the last run if the new content was not written, also if the file was changed since', () => {
    expect(settled({ '/x': OLD }, [file('/x', NEW)], [file('/x', OLD)])).toEqual([file('/x', OLD)])
    expect(settled({ '/x': OTHER }, [file('/x', NEW)], [file('/x', OLD)])).toEqual([file('/x', OLD)])
    expect(settled({ '/x': undefined }, [file('/x', NEW)], [file('/x', OLD)])).toEqual([file('/x', OLD)])
  })

  it('stays as it is where the file was written', () => {
    expect(settled({ '/x': NEW }, [file('/x', NEW)], [file('/x', OLD)])).toBeUndefined()
  })

  it('judges links by their target, and absent files by their absence', () => {
    const link = recordLine('link:/l', '/l', '->new')
    expect(settled({ '/l': '->new' }, [link], [], ['link:/l'])).toBeUndefined()
    expect(settled({ '/l': '->old' }, [link, 'user:shop'], [], ['link:/l'])).toEqual(['user:shop'])
    expect(settled({ '/x': undefined }, [file('/x', 'absent')])).toBeUndefined()
    expect(settled({ '/x': OTHER }, [file('/x', 'absent'), 'user:shop'])).toEqual(['user:shop'])
  })

  it('keeps a file that the host generates if it is there', () => {
    expect(settled({ '/x': OTHER }, [file('/x', 'disk')])).toBeUndefined()
    expect(settled({ '/x': undefined }, [file('/x', 'disk'), 'user:shop'])).toEqual(['user:shop'])
  })

  it('keeps lines of resources that were applied, and of those without a file', () => {
    const lines = [file('/y', NEW), 'user:shop', file('/x', NEW)]
    expect(settled({ '/x': undefined, '/y': undefined }, lines, [], ['file:/x', 'user:shop'])).toEqual([file('/y', NEW), 'user:shop'])
  })

  it('judges each file of a resource of several files', () => {
    const pair = (digest: string) => ['/x.pem', '/x.key'].map((path) => recordLine('certificate:/x', path, digest))
    const unapplied = ['certificate:/x']
    expect(settled({ '/x.pem': undefined, '/x.key': undefined }, pair(NEW), pair(OLD), unapplied)).toEqual(pair(OLD))
    expect(settled({ '/x.pem': NEW, '/x.key': undefined }, pair(NEW), pair(OLD), unapplied)).toEqual([pair(NEW)[0], pair(OLD)[1]])
  })
})

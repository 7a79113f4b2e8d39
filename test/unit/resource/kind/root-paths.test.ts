import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { parentOf } from '../../../../src/resource/kind/path.ts'
import { guardObserved, guardScript } from '../../../../src/resource/kind/walk.ts'
import { stepsOf } from '../../../../src/testing/steps.ts'
import { listed, seenNothing } from '../samples.ts'

/** Kinds whose paths a user chooses, so that a directory above them may belong to another account. */
const CHOSEN = ['file', 'directory', 'link', 'release', 'certificate']

/** Variants with separate scripts: absent paths, and sets of files. */
const VARIANTS: Readonly<Record<string, readonly object[]>> = {
  file: [{}, { state: 'absent' }, { set: { name: 'sample', root: '/srv', check: ['true'] } }],
  directory: [{}, { state: 'absent' }],
  link: [{}, { state: 'absent' }],
  release: [{}],
  certificate: [{}],
}

/** A script without the programs that go to paths by descriptor, and their arguments. */
const withoutWalks = (script: string): string => script.replace(/perl -e '(?:[^']|'\\'')*' -- [^\n;|&]*/g, 'WALK')

/** Directories that the script checks: only root can write there. */
const guarded = (script: string): readonly string[] =>
  ['/srv', '/srv/sample7', '/srv/sample7/releases'].filter(
    (directory) =>
      script.includes(String(guardScript([directory]))) ||
      script.includes(String(guardObserved([directory], [])).replace(/\|\| exit$/, '')),
  )

describe.each(listed.filter(({ name }) => CHOSEN.includes(name)))('root and the paths of kind $name', ({ name, kind, sample }) => {
  it.each(VARIANTS[name] ?? [])('uses a path by name only where no other account can replace it: %j', (variant) => {
    const spec = kind.schema.parse({ ...sample.options(7), ...variant })
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const scripts = stepsOf(kind.apply([{ id: kind.id(spec), spec, state: seenNothing(name), change }]))
    expect(scripts.length).toBeGreaterThan(0)
    for (const script of scripts) {
      const rest = withoutWalks(script.split('\0')[0] ?? '')
      const named = rest.match(/\/srv\/sample7[^\s'"]*/g) ?? []
      // In a set, the script checked before that only root can write to each path, so it may save and check files by name.
      const isSet = script.includes('declare files of a service where only root can write')
      for (const path of isSet ? [] : named)
        expect(guarded(script), path).toEqual(expect.arrayContaining([name === 'release' ? path : parentOf(path)]))
    }
  })
})

describe('the guard of a directory', () => {
  const guard = (directory: string) => spawnSync('sh', ['-c', String(guardScript([directory]))], { encoding: 'utf8' })

  it('accepts directories of root, and names others with their owner', () => {
    expect(guard('/etc/apt').status).toBe(0)
    expect(guard('/etc/none')).toMatchObject({ status: 1, stderr: expect.stringContaining('the directory /etc/none does not exist') })
    expect(guard('/tmp')).toMatchObject({ status: 67, stderr: '/tmp can be replaced by another account (owner: everybody)\n' })
    expect(guard('/etc/passwd/x')).toMatchObject({ status: 67, stderr: '/etc/passwd is not a directory (owner: root)\n' })
  })
})

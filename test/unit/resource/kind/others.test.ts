import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { AnyKind, Resource } from '../../../../src/resource/kind/kind.ts'
import { pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { mergeQueries, type SharedQueries } from '../../../../src/resource/kind/queries.ts'
import { isRoot } from '../account/throwaway.ts'
import { type Here, here } from '../run-here.ts'

/** Accounts of every Debian: 65534 is nobody, 1 is daemon. */
const NOBODY = 65_534

describe.skipIf(!isRoot)('paths that root shares with another account', { timeout: 30_000 }, () => {
  let root = ''
  const at = (path: string): string => join(root, path)
  const sh = (script: string): string => {
    const { stdout, stderr, status } = spawnSync('sh', ['-ec', script], { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return stdout
  }
  const ask = (queries: Partial<SharedQueries>) => {
    const scratch = mkdtempSync(join(root, 'T-'))
    const { inodes, digests, texts } = pathQueries(mergeQueries([queries]))
    const parts = [inodes, digests, texts].map(({ script }, i) => `exec >"$T/part.${i}"\n${script}`)
    const env = { ...process.env, T: scratch, LC_ALL: 'C' }
    const { status, stderr } = spawnSync('sh', ['-ec', parts.join('\n')], { env, timeout: 20_000, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    const part = (i: number): Buffer => readFileSync(join(scratch, `part.${i}`))
    return { ...inodes.read(part(0)), digests: digests.read(part(1)), texts: texts.read(part(2)) }
  }
  beforeAll(() => {
    root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'others-'))
    chmodSync(root, 0o755)
    mkdirSync(at('ours'))
    mkdirSync(at('theirs'))
    sh(`echo ours >ours/a; printf 'one\\n\\ntwo' >theirs/a; echo b >theirs/b; echo c >theirs/c; : >theirs/empty
truncate -s 1048577 theirs/large; truncate -s 1048576 theirs/fits; yes 0123456 | head -c 70000 >theirs/long; mkfifo theirs/pipe; mkdir theirs/d
ln -s ../ours/a theirs/link; ln -s ../ours theirs/dirlink; ln theirs/b theirs/b2; echo third >third; chown 1 third; ln third theirs/third
ln -s ../theirs ours/link; ln -s a ours/same; chown -h ${NOBODY}:${NOBODY} theirs theirs/[abcdefl]* theirs/pipe
mkdir -m 777 open; mkdir -m 775 shared; mkdir -m 1777 sticky; mkdir sticky/ours; chgrp daemon shared; : >open/x; : >shared/x; : >sticky/x; : >sticky/ours/x`)
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const sums = (names: readonly string[], sizes?: ReadonlyMap<string, number>) => {
    const paths = names.map(at)
    const { digests } = ask({ inodes: paths, digests: paths, ...(sizes !== undefined && { sizes }) })
    return Object.fromEntries([...digests].map(([path, sha256]) => [path.slice(root.length + 1), sha256]))
  }

  it('are digested if they are regular files of a limited size, in any order', () => {
    expect(
      sums(['theirs/a', 'ours/a', 'theirs/large', 'theirs/b', 'theirs/pipe', 'theirs/none', 'theirs/d', 'theirs/c', 'theirs/empty']),
    ).toEqual({
      'ours/a': sha256Hex('ours\n'),
      'theirs/a': sha256Hex('one\n\ntwo'),
      'theirs/b': sha256Hex('b\n'),
      'theirs/c': sha256Hex('c\n'),
      'theirs/empty': sha256Hex(''),
    })
    expect(Object.keys(sums(['theirs/fits']))).toEqual(['theirs/fits'])
    expect(sums(['theirs/large', 'theirs/a'], new Map([[at('theirs/large'), 2_000_000]]))).toEqual({
      'theirs/large': sha256Hex(Buffer.alloc(1_048_577)),
      'theirs/a': sha256Hex('one\n\ntwo'),
    })
  })

  it('are not digested through links of that account, or hard links to files of a third', () => {
    expect(sums(['theirs/link', 'theirs/third', 'theirs/dirlink/a', 'theirs/pipe'])).toEqual({})
    // A second name for a file of its own, and links of root.
    expect(Object.keys(sums(['theirs/b2', 'ours/link/a', 'ours/same'])).toSorted()).toEqual(['ours/link/a', 'ours/same', 'theirs/b2'])
  })

  it('are read as text up to a limit, and not through links', () => {
    const texts = (...names: readonly string[]) => ask({ texts: names.map(at) }).texts
    const found = texts('theirs/a', 'ours/a', 'theirs/link', 'theirs/pipe', 'theirs/d', 'theirs/empty', 'theirs/none')
    expect([...found].map(([path, lines]) => [path.slice(root.length + 1), lines])).toEqual([
      ['theirs/a', ['one', '', 'two']],
      ['ours/a', ['ours']],
    ])
    expect([...texts('theirs/large', 'theirs/long', 'theirs/b')].map(([path]) => path)).toEqual([at('theirs/b')])
  })

  it('are listed where another account can replace them', () => {
    const paths = ['theirs/a', 'ours/a', 'ours/link/a', 'ours/same', 'open/x', 'sticky/x', 'theirs/dirlink/a', 'theirs/none'].map(at)
    expect([...(ask({ inodes: paths }).others ?? [])].map((path) => path.slice(root.length + 1))).toEqual([
      ...['theirs/a', 'ours/link/a', 'open/x', 'sticky/x', 'theirs/none'],
    ])
  })

  it('are not observed behind links of that account', () => {
    const paths = ['theirs/dirlink/a', 'theirs/a', 'ours/link/a', 'theirs/none/x', 'theirs/none'].map(at)
    const { inodes } = ask({ inodes: paths })
    expect(inodes.get(paths[0] ?? '')).toEqual({
      ...{ type: 'unreached', mode: 'is a link that root does not follow', owner: 'nobody', group: '', target: at('theirs/dirlink') },
    })
    expect([1, 2].map((i) => inodes.get(paths[i] ?? ''))).toEqual([
      expect.objectContaining({ type: 'f', owner: 'nobody' }),
      expect.objectContaining({ type: 'f', owner: 'nobody' }),
    ])
    expect([3, 4].map((i) => inodes.get(paths[i] ?? ''))).toEqual(['absent', 'absent'])
  })

  it('are not used where a kind demands that root alone can replace them', () => {
    const paths = ['theirs/a', 'ours/a', 'open/x', 'shared/x', 'sticky/x', 'sticky/ours/x', 'ours/link/a', 'ours/none'].map(at)
    const { inodes } = ask({ inodes: paths, guarded: paths })
    const why = paths.map((path) => {
      const inode = inodes.get(path)
      return typeof inode === 'object' && inode.type === 'unreached'
        ? `${inode.target.slice(root.length + 1)} ${inode.mode}: ${inode.owner}`
        : 'ok'
    })
    expect(why).toEqual([
      'theirs can be replaced by another account: nobody',
      'ok',
      'open can be replaced by another account: everybody',
      'shared can be replaced by another account: group daemon',
      'sticky can be replaced by another account: everybody',
      'ok',
      'theirs can be replaced by another account: nobody',
      'ok',
    ])
  })

  it('are not entered in a tree', () => {
    sh(`mkdir -p tree/sub tree/foreign; echo x >tree/sub/x; echo y >tree/foreign/y; chown ${NOBODY} tree/foreign; ln -s tree current`)
    const { trees } = ask({ trees: [at('current')], inodes: [at('current')] })
    const tree = trees.get(at('current'))
    expect([...(tree?.keys() ?? [])].toSorted()).toEqual(['', 'foreign', 'sub', 'sub/x'])
    expect(tree?.get('foreign')).toMatchObject({ type: 'd', owner: `${NOBODY}:0` })
    expect(tree?.get('sub/x')).toMatchObject({ type: 'f', mode: '644', owner: '0:0', modified: expect.any(Number) })
  })
})

describe.skipIf(!isRoot)('a write into a directory of another account', { timeout: 30_000 }, () => {
  let host: Here
  beforeAll(() => {
    host = here()
    host.sh(`mkdir home other; echo theirs >other/x; chown ${NOBODY}:${NOBODY} home`)
  })
  afterAll(() => host?.remove())
  const apply = (resource: Resource) => host.apply(host.plan(resource), resource.kind as AnyKind)
  const owner = { owner: 'nobody', group: 'nogroup' }

  it('creates and replaces what is there, for its owner', () => {
    for (const content of ['one\n', 'two\n']) expect(apply(file({ path: host.at('home/f'), content, ...owner }))).toBeUndefined()
    for (const target of ['f', 'g']) expect(apply(link({ path: host.at('home/l'), target }))).toBeUndefined()
    for (const mode of ['755', '700']) expect(apply(directory({ path: host.at('home/d'), mode, ...owner }))).toBeUndefined()
    expect(host.sh("cat home/f; find home -mindepth 1 -printf '%f %y %m %u %l\\n' | sort")).toBe(
      'two\nd d 700 nobody \nf f 644 nobody \nl l 777 root g\n',
    )
  })

  it('gives nobody a directory that another account may have moved there', () => {
    host.sh('mkdir -p home/roots/x home/empty home/third; chown daemon home/third')
    expect(apply(directory({ path: host.at('home/third'), ...owner }))?.why).toBe(
      `${host.at('home/third')} belongs to daemon, and ${host.at('home')} is controlled by nobody, so another account may have moved it there`,
    )
    expect(apply(directory({ path: host.at('home/roots'), ...owner }))?.why).toContain('belongs to root and is not empty')
    expect(apply(directory({ path: host.at('home/empty'), ...owner }))).toBeUndefined()
    expect(host.sh('stat -c "%n %U" home/third home/roots home/empty')).toBe('home/third daemon\nhome/roots root\nhome/empty nobody\n')
  })

  it('does not go through a link of that account', () => {
    host.sh('ln -s ../other home/out; chown -h nobody home/out')
    for (const resource of [
      file({ path: host.at('home/out/x'), content: 'ours', ...owner }),
      directory({ path: host.at('home/out/d'), ...owner }),
      link({ path: host.at('home/out/l'), target: 'x' }),
    ]) {
      const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
      const refused = host.apply([{ id: resource.id, spec: resource.spec, state: 'absent', change }], resource.kind as AnyKind)
      expect(refused?.why).toBe(`${host.at('home/out')} is a link that root does not follow (owner: nobody)`)
    }
    const gone = file({ path: host.at('home/out/x'), state: 'absent' })
    const change = { action: 'delete', certainty: 'exact', reason: '', differences: [] } as const
    expect(host.apply([{ id: gone.id, spec: gone.spec, state: 'absent', change }], gone.kind)?.why).toBe(
      `${gone.id} is not as it was observed`,
    )
    expect(host.sh('ls other; cat other/x')).toBe('x\ntheirs\n')
  })

  it('needs a directory, and names what is in its place', () => {
    host.sh('echo x >file')
    expect(apply(directory({ path: host.at('nowhere/d') }))?.why).toBe(
      `the directory ${host.at('nowhere')} does not exist; declare it before its content`,
    )
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const resource = file({ path: host.at('file/x'), content: 'x' })
    expect(host.apply([{ id: resource.id, spec: resource.spec, state: 'absent', change }], resource.kind)?.why).toBe(
      `${host.at('file')} is not a directory (owner: root)`,
    )
  })
})

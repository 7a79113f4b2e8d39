import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../../src/resource/kind/queries.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { DIGEST, guardObserved, guardScript, IN_STEP, OBSERVED, type ObservedPath, walk } from '../../../../src/resource/kind/walk.ts'
import { excerptScript, MORE, namesScript, READ_OTHERS, readExcerpts, readNames } from '../../../../src/resource/kind/walk-read.ts'
import { isRoot } from '../account/throwaway.ts'

let root = ''
const member512 = { name: 'block', mode: '755', owner: 'root', group: 'root', bytes: Buffer.alloc(512, 'z') }
const at = (path: string): string => join(root, path)
const run = (script: string) => {
  const env = { ...process.env, PATH: `${at('bin')}:${process.env.PATH}`, T: at('T'), LC_ALL: 'C' }
  // Several programs together are longer than an argument may be.
  writeFileSync(at('script'), script)
  const { status, stdout, stderr } = spawnSync('sh', ['-e', 'script'], { cwd: root, env, timeout: 20_000 })
  return { status, stdout, stderr: stderr.toString().replaceAll(root, '') }
}
const sh = (script: string): string => {
  const { status, stdout, stderr } = run(script)
  if (status !== 0) throw new Error(stderr)
  return stdout.toString().replaceAll(root, '')
}

beforeAll(() => {
  root = mkdtempSync(join(isRoot ? homedir() : tmpdir(), '.provision-walk-'))
  chmodSync(root, 0o755)
  sh('mkdir T bin')
})
afterAll(() => rmSync(root, { recursive: true }))

it('the name of an account leaves the reason of the system for the message', () => {
  expect(sh(`${walk("$! = 13; print join ': ', account(0), account(4294967294), $!")}`)).toBe('root: uid 4294967294: Permission denied')
})

describe.skipIf(!isRoot)('paths that are compared before a change', () => {
  const OLD = sha256Hex('old\n')
  const FILE = { inode: 'f 644 root root', sha256: OLD }
  /** Verdict on each path, each in a separate request. */
  const verdicts = (paths: readonly Partial<ObservedPath>[]): readonly string[] => {
    const each = paths.map(
      (one) => `c=0; ( ${guardObserved([at('p')], [{ path: at('p/a'), inode: '', ...one }])} ) 2>>"$T/why" || c=$?; echo "$c"`,
    )
    return sh(`: >"$T/why"; ${each.join('\n')}`)
      .replaceAll('culprit\0/p/a\0', 'a ')
      .trim()
      .split('\n')
  }

  it.each<[string, string, readonly (readonly [verdict: string, Partial<ObservedPath>])[]]>([
    [
      'a file',
      'echo old >p/a',
      [
        ['0', FILE],
        ['0', { inode: 'f 644 root root' }],
        ['0', { inode: 'f 644 0 0' }],
        ['0', { inode: 'f 644 root 0' }],
        ['a 68', { ...FILE, sha256: sha256Hex('new\n') }],
        ['a 68', { inode: 'f 600 root root', sha256: OLD }],
        ['a 68', { inode: 'f 644 daemon root' }],
        ['a 68', { inode: 'd 644 root root' }],
        ['a 68', { inode: 'absent' }],
        // Somebody gave it the declared mode since, and its content is the one that was observed.
        ['0', { inode: 'f 600 root root', wanted: 'f 644 root root', sha256: OLD }],
        ['a 68', { inode: 'f 600 root root', wanted: 'f 644 root root', sha256: sha256Hex('new\n') }],
        ['a 68', { inode: 'f 600 root root', wanted: 'f 644 root root' }],
      ],
    ],
    [
      'a file with more bits',
      'echo old >p/a; chown daemon:12345 p/a; chmod 4755 p/a',
      [
        ['a 68', FILE],
        ['0', { inode: 'f 4755 daemon 12345' }],
      ],
    ],
    [
      'a link',
      'ln -s old p/a',
      [
        ['0', { inode: 'l old' }],
        ['0', { inode: 'l other', wanted: 'l old' }],
        ['a 68', { inode: 'l other' }],
        ['a 68', { inode: 'l other', wanted: 'l third' }],
        ['a 68', FILE],
        ['a 68', { inode: 'absent' }],
      ],
    ],
    [
      'a directory',
      'mkdir p/a',
      [
        ['0', { inode: 'd 755 root root' }],
        ['a 68', { inode: 'f 755 root root' }],
      ],
    ],
    [
      'a pipe',
      'mkfifo p/a',
      [
        ['0', { inode: 'special 644 root root', sha256: OLD }],
        ['a 68', FILE],
      ],
    ],
    [
      'nothing',
      ':',
      [
        ['0', { inode: 'absent' }],
        ['a 68', FILE],
      ],
    ],
  ])('are as they were observed, or refused: %s', (_, make, cases) => {
    sh(`rm -rf p; mkdir p; ${make}`)
    expect(verdicts(cases.map(([, path]) => path))).toEqual(cases.map(([verdict]) => verdict))
  })

  it('are named with their owner', () => {
    sh('rm -rf p; mkdir p; echo old >p/a; chown daemon p/a')
    verdicts([FILE])
    expect(sh('cat "$T/why"; rm p/a')).toBe('/p/a is not as it was observed (owner: daemon)\n')
    verdicts([FILE])
    expect(sh('cat "$T/why"')).toBe('/p/a is not as it was observed\n')
  })

  it('may be what an earlier step of the run has made or deleted', () => {
    const path = { inode: 'absent' }
    const other = String(
      guardObserved(
        [at('p')],
        [
          { path: at('p/a'), inode: 'absent' },
          { path: at('p/b'), inode: 'f 644 root root' },
        ],
      ),
    )
    sh('rm -rf p T/step.*; mkdir p; : >T/step.1.from; sleep 0.02; echo new >p/a; sleep 0.02; : >T/step.1.to')
    expect([verdicts([path]), run(`unset T; ${other}`).status, run(other).status]).toEqual([['0'], 68, 68])
    sh(`printf '%s\\0' x '${at('p/b')}' >"$T/deleted"`)
    expect(run(other).status).toBe(0)
    sh('rm -f "$T/deleted" T/step.*')
    expect(verdicts([path])).toEqual(['a 68'])
  })

  it('are below directories that root alone can change; each directory is walked once', () => {
    sh(`rm -rf p; mkdir -p p/deep open; chmod 777 open`)
    const guard = (...directories: readonly string[]) => {
      const { status, stderr } = run(String(guardObserved(directories.map(at), [{ path: at('p/a'), inode: 'absent' }])))
      return `${status} ${stderr}`
    }
    expect([guard('p', 'p/deep', 'p'), guard('p', 'open'), guard('none'), guard()]).toEqual([
      '0 ',
      '67 /open can be replaced by another account (owner: everybody)\n',
      '1 the directory /none does not exist; declare it before its content\n',
      '0 ',
    ])
  })
})

describe.skipIf(!isRoot)('a path in the working directory', () => {
  /** What a program prints in a directory, and how it ends. */
  const program = (directory: string, text: string, ...words: readonly string[]) => {
    const script = walk(`${DIGEST}${OBSERVED}reach(shift @ARGV);\n${text}`, at(directory), ...words)
    const { status, stdout, stderr } = run(String(script))
    return `${stdout.toString().replaceAll('\0', ' ').replaceAll(root, '')}${stderr}${status === 0 ? '' : status}`.trim()
  }

  it('is described by its type, mode, owner and group, or its target', () => {
    sh(
      `mkdir o; cd o; touch f n; chmod 4751 f; chown daemon:12345 n; ln -s x l; mkdir -m 1777 d; mkfifo p; mkdir -m 755 theirs; chown 1 theirs`,
    )
    const describe = 'print join(\'|\', inode_of($_)), "\\n" for @ARGV'
    expect(program('o', describe, 'f', 'n', 'l', 'd', 'p', 'none').split('\n')).toEqual([
      'f 4751 root root|f 4751 root 0|f 4751 0 root|f 4751 0 0',
      'f 644 daemon 12345|f 644 1 12345',
      'l x',
      'd 1777 root root|d 1777 root 0|d 1777 0 root|d 1777 0 0',
      'special 644 root root|special 644 root 0|special 644 0 root|special 644 0 0',
      'absent',
    ])
    const owners = 'print owned($_), "\\n" for @ARGV'
    expect(program('o', owners, 'f', 'n')).toBe('(owner: root)\n (owner: daemon)')
    sh('touch o/theirs/a; chown daemon o/theirs/a; touch o/theirs/b')
    expect(program('o/theirs', owners, 'a', 'b', 'none')).toBe('(owner: daemon)\n (owner: root, in a directory of daemon)')
  })

  it('is as it was observed, or was made or deleted by this run', () => {
    sh(`mkdir s; cd s; mkdir marks none; touch -d @1500000000 marks/step.1.from; cp -p marks/step.1.from marks/step.2.from; touch -d @1600000000 marks/step.2.to
echo x >new; sleep 0.02; : >marks/step.10.from; sleep 0.02; echo y >newer; ln -s a link`)
    const ask = 'while (my ($n, $o, $s) = splice @ARGV, 0, 3) { $current = "/s/$n"; print is_as_observed($n, $o, $s) ? 1 : 0 }'
    const marks = at('s/marks')
    const observed = (...cases: readonly (readonly [string, string, string?])[]) =>
      program('s', ask, ...cases.flatMap(([name, word, scratch = '']) => [name, word, scratch]))
    const file = 'f 644 root root'
    expect(observed(['new', file], ['new', 'f 600 root root'], ['new', ''], ['new', 'absent'], ['link', 'l a'], ['link', 'l b'])).toBe(
      '101010',
    )
    // A step without an end is the present one; another made nothing here.
    expect(observed(['new', 'absent', marks], ['new', 'absent', at('s/none')])).toBe('10')
    sh(`rm s/marks/step.1.from`)
    expect(observed(['new', 'absent', marks], ['newer', 'absent', marks], ['newer', 'f 600 root root', marks])).toBe('010')
    expect(observed(['gone', file, marks], ['gone', 'absent', marks])).toBe('01')
    expect(program('s', `deleted('/s/gone', $ARGV[0]); deleted('/s/new', ''); deleted('/s/go', $ARGV[0])`, marks)).toBe(
      'done /s/gone done /s/new done /s/go',
    )
    expect(observed(['gone', file, marks], ['new', 'f 600 root root', marks], ['gon', file, marks], ['gone', file])).toBe('1000')
  })

  it('of another account is not digested over a limit', () => {
    sh(`mkdir g; cd g; printf abc >small; truncate -s 268435457 large`)
    const sums = 'for (@ARGV) { open my $h, "<", $_ or die; print substr(digest_of($h, 3), 0, 4), " " }'
    const small = sha256Hex('abc').slice(0, 4)
    expect([program('g', sums, 'small'), program('g', `$other = 'eve'; ${sums}`, 'small', 'large', 'small')]).toEqual([
      small,
      `${small}  ${small}`,
    ])
  })

  it('that fails is named, and so is an account that does not exist', () => {
    expect(program('o', "$current = '/x'; done('/a'); fail('it failed')")).toBe('done /a culprit /x it failed\n1')
    expect(program('o', "$current = '/x'; fail('it failed', 7)")).toBe('culprit /x it failed\n7')
    expect(program('o', "changed('/o/n', 'n')")).toBe('/o/n is not as it was observed (owner: daemon)\n68')
    expect(program('o', "print join ' ', uid_of('root'), gid_of('root'), uid_of('daemon'), gid_of('daemon')")).toBe('0 0 1 1')
    expect([program('o', "uid_of('nosuch')"), program('o', "gid_of('nosuch')")]).toEqual([
      'user nosuch does not exist\n1',
      'group nosuch does not exist\n1',
    ])
    expect(program('o', "print join '|', map { parted($_) } '/a/b c', '/a', '/'")).toBe('/a|b c||a||.')
  })
})

describe.skipIf(!isRoot)('the way to a directory', () => {
  /** For each path the account that the program names, the place that stops the walk, or who else can change its last directory. */
  const walked = (...paths: readonly string[]): readonly string[] =>
    sh(paths.map((path) => `( ${guardScript([at(path)])} ) 2>"$T/why" && echo ok || { printf '%s ' $?; cat "$T/why"; }`).join('\n'))
      .replaceAll(/account\0(.*?)\0/g, '[$1] ')
      .trim()
      .split('\n')

  it('follows links of root, and names the others who can change a part of it', () => {
    sh(`rm -rf w; mkdir -p w/a/b w/sticky/mine w/group w/number w/theirs/ours w/uid; cd w; echo x >f
ln -s a rel; ln -s "$PWD/a" abs; ln -s ../a/../a/./b a/up; ln -s none gone; ln -s loop loop; ln -s a eves; chown -h daemon eves
chmod 1777 sticky; chgrp daemon group; chmod 775 group; chgrp 12345 number; chmod 770 number; chown daemon theirs; chown 12345 uid
ln -s ../a theirs/link; ln -s ../a sticky/link; mkdir sticky/eve; chown daemon sticky/eve`)
    expect(walked('w/a/b', 'w/rel/b', 'w/abs/b', 'w/a/up', 'w//a/./b/../b', 'w/sticky/mine')).toEqual(['ok', 'ok', 'ok', 'ok', 'ok', 'ok'])
    expect(
      walked('w/f', 'w/f/x', 'w/none/x', 'w/gone', 'w/loop', 'w/eves', 'w/theirs', 'w/theirs/ours', 'w/theirs/link', 'w/uid', 'w/sticky'),
    ).toEqual([
      ...['67 /w/f is not a directory (owner: root)', '67 /w/f is not a directory (owner: root)'],
      `1 the directory /w/none/x does not exist; declare it before its content`,
      `1 the directory /w/gone does not exist; declare it before its content`,
      '67 /w/loop is a link that root does not follow (owner: root)',
      '[daemon] 67 /w/eves is a link that root does not follow (owner: daemon)',
      '[daemon] 67 /w/theirs can be replaced by another account (owner: daemon)',
      '[daemon] 67 /w/theirs/ours can be replaced by another account (owner: daemon)',
      '[daemon] 67 /w/theirs/link is a link that root does not follow (owner: daemon)',
      '[uid 12345] 67 /w/uid can be replaced by another account (owner: uid 12345)',
      '[everybody] 67 /w/sticky can be replaced by another account (owner: everybody)',
    ])
    expect(walked('w/group', 'w/number', 'w/sticky/link', 'w/sticky/eve')).toEqual([
      '[group daemon] 67 /w/group can be replaced by another account (owner: group daemon)',
      '[group 12345] 67 /w/number can be replaced by another account (owner: group 12345)',
      '[everybody] 67 /w/sticky/link is a link that root does not follow (owner: everybody)',
      '[daemon] 67 /w/sticky/eve can be replaced by another account (owner: daemon)',
    ])
  })

  it('has at most twenty links', () => {
    sh(`rm -rf links; mkdir -p links/0; cd links; for i in $(seq 21); do ln -s $((i - 1)) $i; done`)
    expect(walked('links/20', 'links/21')).toEqual(['ok', '67 /links/1 is a link that root does not follow (owner: root)'])
  })
})

it('the times of files are within a step of the run, or not', () => {
  const touched = (name: string, seconds: number): string => `touch -d @${1_700_000_000 + seconds} '${name}'`
  sh(`mkdir -p times; cd times
${['a', 'b'].map((step, i) => `${touched(`${at('T')}/step.${step}.from`, 10 + 20 * i)}\n${touched(`${at('T')}/step.${step}.to`, 20 + 20 * i)}`).join('\n')}
${touched(`${at('T')}/step.c.from`, 50)}
${[5, 10, 15, 20, 25, 35, 45, 50, 55].map((seconds) => touched(`${seconds}`, seconds)).join('\n')}`)
  const pairs = ['5', '10', '15', '20', '25', '35', '45', '50', '55', 'none', '15 20', '15 25', '35 55', '55 5', '15 none']
  const shown = pairs.map((pair) => `if in_step ${pair}; then printf '%s, ' '${pair}'; fi`)
  // Without the end of a step, everything since its beginning is of this step.
  expect(sh(`cd times; ${IN_STEP}\n${shown.join('\n')}; rm "$T"/step.*`)).toBe('10, 15, 20, 35, 50, 55, 15 20, 55 5, 15 none, ')
})

describe.skipIf(!isRoot)('what is read of a host', () => {
  it('takes one program for the digests of all files, and waits for no pipe', () => {
    sh(`mkdir sums; cd sums; echo a >a; echo b >'b c'; mkdir d
printf '#!/bin/sh\\necho "$#" >>"$T/programs"\\nexec /usr/bin/sha256sum "$@"\\n' >"${at('bin')}/sha256sum"; chmod 755 "${at('bin')}/sha256sum"`)
    const names = ['a', 'none', 'b c', 'd']
    const digests = (some: readonly string[]) => {
      const paths = some.map((name) => at(`sums/${name}`))
      const { inodes, digests } = pathQueries(mergeQueries([{ inodes: paths, digests: paths }]))
      const { status, stdout } = run(`: >"$T/programs"; { ${inodes.script}\n} >/dev/null\n${digests.script}`)
      const found = [...digests.read(stdout)].map(([path, sum]) => `${path.slice(at('sums/').length)} ${sum}`)
      return { status, found, programs: sh('cat "$T/programs"').trim().split('\n').length }
    }
    const found = [`a ${sha256Hex('a\n')}`, `b c ${sha256Hex('b\n')}`]
    expect(digests(names)).toEqual({ status: 0, found, programs: 1 })
    sh('mkfifo sums/pipe; ln -s pipe sums/link')
    expect(digests(['pipe', ...names])).toEqual({ status: 0, found, programs: 2 })
    expect(digests(['link', 'a'])).toEqual({ status: 0, found: found.slice(0, 1), programs: 2 })
    sh('rm bin/sha256sum')
  })

  it('is the text of each file once, also of one that several questions name', () => {
    sh(`mkdir texts; cd texts; printf 'one\\n\\none\\n' >a.conf; echo two >b.conf; : >c.conf; echo no >other`)
    const path = (name: string): string => at(`texts/${name}`)
    const read = (...asks: readonly { readonly texts?: readonly string[]; readonly patterns?: readonly string[] }[]) => {
      const { inodes, texts } = pathQueries(mergeQueries(asks))
      const { stdout } = run(`{ ${inodes.script}\n} >/dev/null\n${texts.script}`)
      return Object.fromEntries([...texts.read(stdout)].map(([name, lines]) => [name.slice(path('').length), lines]))
    }
    const [a, b] = [['one', '', 'one'], ['two']]
    const all = { 'a.conf': a, 'b.conf': b }
    const [named, matched] = [{ texts: [path('a.conf'), path('none')] }, { patterns: [path('*.conf')] }]
    expect([read(named), read(matched), read(named, matched)]).toEqual([{ 'a.conf': a }, all, all])
    // Two patterns, and patterns without a star.
    expect(read(named, matched, { patterns: [path('a*'), path('a.conf'), path('b.conf')] })).toEqual(all)
    expect(read({ patterns: [path('b.conf'), path('b*'), path('none')] })).toEqual({ 'b.conf': b })
  })

  it('is limited where root owns the directory and not the file', () => {
    sh(`mkdir limits; cd limits; truncate -s 1048577 large; yes 0123456 | head -c 70000 >long; echo d >small; chown 1 *`)
    const ask = (...names: readonly string[]) => {
      const paths = names.map((name) => at(`limits/${name}`))
      const { inodes, digests, texts } = pathQueries(
        mergeQueries([{ inodes: paths, digests: paths, texts: paths.filter((path) => !path.endsWith('large')) }]),
      )
      const { stdout } = run(`{ ${inodes.script}\n} >/dev/null\n${digests.script}\nprintf '<texts>'\n${texts.script}`)
      const [sums = '', lines = ''] = stdout.toString().split('<texts>')
      return [digests.read(Buffer.from(sums)), texts.read(Buffer.from(lines))].map((found) =>
        [...found.keys()].map((path) => path.slice(at('limits/').length)).toSorted(),
      )
    }
    expect([ask('large', 'small'), ask('long', 'small')]).toEqual([
      [['small'], ['small']],
      [['long', 'small'], ['small']],
    ])
    sh('chown 0 limits/*')
    expect([ask('large', 'small')[0], ask('long', 'small')]).toEqual([
      ['large', 'small'],
      [
        ['long', 'small'],
        ['long', 'small'],
      ],
    ])
  })

  it('for a diff is the beginning of files that every account may read', () => {
    sh(`mkdir x; cd x; printf 123456 >long; printf 12345 >fits; : >empty; echo s >secret; chmod 640 secret; echo o >others; chmod 604 others
ln -s long link; ln -s secret closed; mkfifo pipe; mkdir d; ln -s /dev/zero device`)
    const paths = ['long', 'fits', 'empty', 'secret', 'others', 'link', 'closed', 'pipe', 'd', 'none', 'device'].map((name) =>
      at(`x/${name}`),
    )
    const read = readExcerpts(run(String(excerptScript({ paths, bytes: 5 }))).stdout)
    expect([...read].map(([path, bytes]) => `${path.slice(at('x/').length)} ${bytes}`)).toEqual([
      ...['long 12345', 'fits 12345', 'empty ', 'others o\n', 'link 12345'],
    ])
    expect(String(excerptScript({ paths: [], bytes: 5 }))).toBe('')
  })

  it('of a directory are the names in it, up to a limit', () => {
    sh(`mkdir n n/many n/most n/full n/theirs.many n/some n/none n/theirs; touch n/some/a n/some/.b 'n/some/c d' n/theirs/x n/file; chown -R daemon n/theirs n/theirs.many; ln -s some n/link
cd n/many; seq 1001 | xargs touch; cd ../most; seq 10000 | xargs touch; cd ../full; seq 10001 | xargs touch; cd ../theirs.many; seq 1001 | xargs touch`)
    const paths = ['some', 'many', 'most', 'full', 'theirs.many', 'none', 'theirs', 'link', 'file', 'gone'].map((name) => at(`n/${name}`))
    const script = `reader='${READ_OTHERS.replaceAll("'", "'\\''")}'\n${namesScript(paths)}`
    const names = readNames(run(script).stdout.toString())
    const found = [...names].map(([path, some]) => [
      path.slice(at('n/').length),
      some.length > 5 ? `${some.length} ${some.at(-1) === MORE}` : some.toSorted(),
    ])
    expect(found).toEqual([
      ['some', ['.b', 'a', 'c d']],
      ['many', '1001 false'],
      ['most', '10000 false'],
      ['full', '10001 true'],
      ['theirs.many', '1001 true'],
      ['theirs', ['x']],
    ])
    // No program starts where no path is a directory.
    expect(run(`perl() { echo started; }; ${namesScript([at('n/file'), at('n/link'), at('n/gone')])}`).stdout.toString()).toBe('end\0')
    for (const cut of ['', '/a\0', '/a\0b\0', '/a\0b\0end', '/a\0end\0']) expect(() => readNames(cut)).toThrow('did not list')
  })

  it('of a directory that its account replaces all the time are read or left out, and end nothing', () => {
    sh('mkdir -p swapped/d; touch swapped/d/x; ln -s / swapped/link; chown -h daemon swapped swapped/d swapped/link')
    const exchange = `chdir "swapped"; while (1) { rename "d", "t"; rename "link", "d"; rename "d", "link"; rename "t", "d" }`
    const loop = spawn('perl', ['-e', exchange], { cwd: root, stdio: 'ignore' })
    try {
      const paths = Array.from({ length: 900 }, () => at('swapped/d'))
      const script = `reader='${READ_OTHERS.replaceAll("'", "'\\''")}'\n${namesScript(paths)}`
      const names = Array.from({ length: 20 }, () => {
        const { status, stdout, stderr } = run(script)
        expect([status, stderr]).toEqual([0, ''])
        return [...readNames(stdout.toString()).values()].flat()
      })
      // Never those of /, where the link leads.
      expect(new Set(names.flat())).toEqual(new Set(['x']))
    } finally {
      loop.kill()
    }
  })
})

it('an archive has names of any length, with mode, time, owner and bytes, for tar', () => {
  const long = `${'d'.repeat(99)}/${'ü'.repeat(60)}`
  const names = ['a', 'é b', 'x'.repeat(100), 'y'.repeat(101), long]
  const member = { mode: '640', owner: 'daemon', group: 'nogroup', modified: 1_700_000_000 }
  const bytes = tar([...names.map((name) => ({ ...member, name, bytes: Buffer.from(`${name}\n`) })), member512])
  const list = spawnSync('tar', ['--full-time', '--utc', '--quoting-style=literal', '-tvf', '-'], { input: bytes, encoding: 'utf8' })
  expect(list.stderr).toBe('')
  expect(
    list.stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ')),
  ).toEqual([
    ...names.map((name) => `-rw-r----- daemon/nogroup ${Buffer.byteLength(name) + 1} 2023-11-14 22:13:20 ${name}`),
    '-rwxr-xr-x root/root 512 1970-01-01 00:00:00 block',
  ])
  expect([bytes.length % 512, spawnSync('tar', ['-xOf', '-', 'block'], { input: bytes, encoding: 'utf8' }).stdout]).toEqual([
    0,
    'z'.repeat(512),
  ])
})

import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lutimesSync, mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeScratch, socketIn } from '../../../../src/host/openssh/scratch.ts'
import { problemOf } from '../../problem-of.ts'
import { scratch } from '../ssh/ssh-server.ts'

test('is a private directory in TMPDIR, or in the next one that is suitable', async () => {
  const [here, next] = [scratch(), scratch()]
  const made = await makeScratch({ TMPDIR: here }, [])
  expect(made.startsWith(`${here}/provision-openssh-`)).toBe(true)
  expect([statSync(made).mode & 0o777, readdirSync(made)]).toEqual([0o700, []])
  const long = join(here, 'l'.repeat(90 - here.length))
  mkdirSync(long)
  const shared = join(here, 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o777)
  mkdirSync(join(shared, 'mine'))
  symlinkSync(shared, join(here, 'link'))
  for (const TMPDIR of [long, shared, join(shared, 'mine'), join(here, 'link'), join(here, 'none')]) {
    expect((await makeScratch({ TMPDIR, XDG_RUNTIME_DIR: next }, [])).startsWith(next)).toBe(true)
    expect((await makeScratch({ TMPDIR }, [next])).startsWith(next)).toBe(true)
  }
  // Others may create files in it, but not replace ours.
  chmodSync(shared, 0o1777)
  expect((await makeScratch({ TMPDIR: shared }, [])).startsWith(shared)).toBe(true)
})

test('needs a directory, and names what is wrong with each', async () => {
  const here = scratch()
  const long = join(here, 'l'.repeat(100))
  mkdirSync(long)
  chmodSync(here, 0o777)
  expect(await problemOf(makeScratch({ TMPDIR: long, XDG_RUNTIME_DIR: here }, ['/none']))).toMatchObject({
    class: 'input',
    what: 'no directory is suitable for the temporary files of transport openssh',
    why: `${long}: the path of a socket would have ${long.length + 35} bytes; 103 are possible
${here}: other accounts can replace files in it
/none: ENOENT`,
    fix: 'set TMPDIR to a directory of yours with a short path, on a file system without noexec',
  })
})

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0
test.runIf(canMount)('is not on a file system that is mounted noexec, where ssh could start no program', () => {
  const [here, next] = [scratch(), scratch()]
  const script = `import { makeScratch } from '${join(import.meta.dirname, '../../../../src/host/openssh/scratch.ts')}'
const made = await makeScratch({ TMPDIR: process.argv[1] }, [process.argv[2]])
process.stdout.write(made + ' ' + (await import('node:fs')).readdirSync(process.argv[1]).length)`
  const words = ['-rm', 'sh', '-c', 'mount -t tmpfs -o noexec none "$3" && exec "$0" --input-type=module -e "$2" "$3" "$4"']
  const output = execFileSync('unshare', [...words, process.execPath, '', script, here, next], { encoding: 'utf8' })
  expect(output).toMatch(new RegExp(`^${next}/provision-openssh-\\S+ 0$`))
})

test('of a killed command is removed by the next one, and nothing else', async () => {
  const here = scratch()
  const make = (name: string): string => {
    mkdirSync(join(here, name))
    writeFileSync(join(here, name, 'askpass'), '')
    return join(here, name)
  }
  const listenIn = async (directory: string): Promise<ReturnType<typeof createServer>> => {
    const server = createServer()
    await new Promise<void>((done) => server.listen(socketIn(directory), done))
    return server
  }
  const alive = await listenIn(make('provision-openssh-alive1'))
  onTestFinished(() => void alive.close())
  // The socket of a killed process stays.
  const script = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))'
  spawnSync(process.execPath, ['-e', script, socketIn(make('provision-openssh-killed'))])
  make('provision-openssh-recent')
  const old = new Date(Date.now() - 2 * 3_600_000)
  for (const name of ['provision-openssh-old001', 'provision-openssh-longer-name', 'other']) utimesSync(make(name), old, old)
  symlinkSync(make('victim'), join(here, 'provision-openssh-linked'))
  utimesSync(join(here, 'victim'), old, old)
  lutimesSync(join(here, 'provision-openssh-linked'), old, old)
  await makeScratch({ TMPDIR: here }, [])
  await expect.poll(() => existsSync(join(here, 'provision-openssh-killed'))).toBe(false)
  await expect.poll(() => existsSync(join(here, 'provision-openssh-old001'))).toBe(false)
  const names = ['alive1', 'linked', 'longer-name', 'recent'].map((name) => `provision-openssh-${name}`)
  expect(readdirSync(here)).toEqual(expect.arrayContaining([...names, 'other', 'victim']))
  expect(readdirSync(join(here, 'victim'))).toEqual(['askpass'])
})

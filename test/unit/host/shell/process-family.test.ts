import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DEFINE_FAMILY } from '../../../../src/host/shell/process-family.ts'

/** Runs a script with the functions, and returns the lines of its output. */
const family = (script: string, env: Readonly<Record<string, string>> = {}): readonly string[] => {
  const { stdout, stderr } = spawnSync('sh', ['-c', `${DEFINE_FAMILY}\n${script}`], {
    encoding: 'utf8',
    timeout: 10_000,
    env: { ...process.env, line: 'x', stat: 'x', state: 'x', alive: ' 1:1', words: 'x', ...env },
  })
  expect(stderr).toBe('')
  return stdout.split('\n').slice(0, -1)
}

/** Start time of a process, as the kernel reports it, and its parent. */
const statOf = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^[\s\S]*\) /, '')
    .split(' ')
  return { state: fields[0], parent: fields[1], start: fields[19] }
}

/** A process of this test, by the script of a shell that prints the numbers of its children. */
const running = async (script: string, shell = '/bin/sh') => {
  const child = spawn(shell, ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  onTestFinished(() => void (child.pid && process.kill(-child.pid, 'SIGKILL')))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const pid = child.pid ?? 0
  return { pid, id: `${pid}:${statOf(pid).start}`, children: line.toString().trim().split(/\s+/).map(Number) }
}
const exists = (pid: number): boolean => {
  try {
    return statOf(pid).state !== 'Z'
  } catch {
    return false
  }
}

test('a process is known by its state, its parent and its start, also if its name has special characters', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'provision-family-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  for (const name of ['plain', 'a) b', 'a\\) S 1 1', '1) Z\n2) Z 3']) {
    symlinkSync('/bin/sh', join(directory, name))
    const { pid } = await running('echo ready; sleep 60; :', join(directory, name))
    const { parent, start } = statOf(pid)
    expect(family(`about ${pid} && echo "$state $parent $since"`)).toEqual([
      expect.stringMatching(new RegExp(`^[RSD] ${parent} ${start}$`)),
    ])
  }
})

test('a process that does not exist, or that is dead, is unknown', async () => {
  const { children } = await running('sh -c ": & echo \\$!; exec sleep 60" & wait')
  await expect.poll(() => exists(children[0] ?? 0)).toBe(false)
  for (const pid of [4194304, children[0]]) expect(family(`about ${pid} || echo unknown`)).toEqual(['unknown'])
})

test('a family is a process with all its descendants, without the dead and without later processes of the same number', async () => {
  const { pid, id, children } = await running('sleep 61 & one=$!; sh -c "sleep 62 & wait" & two=$!; sleep 0.1; echo $one $two; wait')
  const look = (members: string): readonly string[] =>
    family(`shell=none; family="${members}"; look; echo "$family"`)[0]?.trim().split(' ').filter(Boolean) ?? []
  const all = look(` 4194304:1 ${id} `)
  expect(all).toHaveLength(4)
  expect(all.slice(0, 1)).toEqual([id])
  for (const child of children) expect(all).toContain(`${child}:${statOf(child).start}`)
  const other = `${pid}:${Number(statOf(pid).start) + 1}`
  expect(look(` ${other} `)).toEqual([])
  expect(look(' ')).toEqual([])
})

test('children of the shell belong to the family if they started early enough', async () => {
  const { pid, children } = await running('sleep 61 & one=$!; sleep 0.1; sleep 62 & echo $one $!; wait')
  const [early = 0, late = 0] = children
  const since = (child: number): number => Number(statOf(child).start)
  expect(since(late)).toBeGreaterThan(since(early))
  const look = (latest: number): readonly string[] =>
    family(`shell=${pid}; latest=${latest}; family=; look; echo "$family"`)[0]?.trim().split(' ').filter(Boolean) ?? []
  expect(look(since(early) - 1)).toEqual([])
  expect(look(since(early))).toEqual([`${early}:${since(early)}`])
  expect(look(since(late))).toHaveLength(2)
})

test('processes without children are named by their command, shortened, in one line', async () => {
  const zeros = '0'.repeat(300)
  const { id, children } = await running(`sleep 61 ${zeros} & one=$!; (exec sh -c 'read x; :
known-word') <&1 & two=$!; sleep 0.1; echo $one $two; wait`)
  const [one, two] = children
  const lines = (known: string) => family(`shell=none; known='${known}'; family=" ${id} "; look; name ended`).toSorted()
  expect(lines('nothing')).toEqual(
    [`ended ${one} ${`sleep 61 ${zeros}`.slice(0, 200)}`, `ended ${two} sh -c read x; : known-word`].toSorted(),
  )
  // The loop's own shell has the script of the loop as its command.
  expect(lines('known-word')).toContain(`ended ${two} sh`)
})

test('a family ends with its children', async () => {
  const { pid, id, children } = await running('sleep 61 & one=$!; sleep 62 & echo $one $!; wait')
  expect(family(`shell=none; family=" ${id} "; look; end_family && echo ended`)).toEqual(['ended'])
  for (const one of [pid, ...children]) expect(exists(one)).toBe(false)
})

test('a process that ignores SIGTERM is killed after five seconds', async () => {
  const { pid, id } = await running('trap "" TERM; echo ready; sleep 61; :')
  const clock = 'now() { n=$((n+1)); uptime=$n; }; sleep() { echo "wait $1"; command sleep 0.02; }'
  const lines = family(`${clock}; shell=none; family=" ${id} "; look; end_family && echo ended`)
  expect(lines.at(-1)).toBe('ended')
  expect(lines.slice(0, -1).every((line) => line === 'wait 0.2')).toBe(true)
  expect(lines.length).toBeGreaterThanOrEqual(6)
  expect(exists(pid)).toBe(false)
})

test('a process that nothing ends is left after ten seconds', async () => {
  const { pid, id } = await running('echo ready; exec sleep 61')
  const clock = 'now() { n=$((n+1)); uptime=$n; }; sleep() { :; }; signal() { echo "$1"; }; look() { :; }'
  const lines = family(`${clock}; family=" ${id} "; end_family || echo left`)
  expect(lines).toEqual(['TERM', 'KILL', 'KILL', 'KILL', 'KILL', 'left'])
  expect(exists(pid)).toBe(true)
})

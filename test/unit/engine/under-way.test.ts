import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { UNDER_WAY_SCRIPT, underWay } from '../../../src/engine/observe/under-way.ts'

let scratch = ''
let shell: ChildProcess | undefined
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'provision-under-way-'))
})
afterEach(() => {
  shell?.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
})

const holder = { user: 'jane', machine: 'laptop', command: 'provision run', since: '2026-11-23T10:00:00Z' }
/** A shell with or without the lock, and the record of the holder. */
const hold = async (isLocked: boolean, record = JSON.stringify(holder)): Promise<void> => {
  const lock = isLocked ? 'flock -n 9;' : ''
  const child = spawn('sh', ['-c', `exec 9>>${scratch}/lock; ${lock} echo ready; read -r _`], { stdio: ['pipe', 'pipe', 'inherit'] })
  shell = child
  await once(child.stdout, 'data')
  writeFileSync(join(scratch, 'holder'), `${child.pid} /run/provision.x 1 2\n${record}\n`)
}
const asked = (): string | undefined => {
  const script = String(UNDER_WAY_SCRIPT).replaceAll('/run/provision.holder', join(scratch, 'holder'))
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${script}\necho 'os ID=debian'`], { encoding: 'utf8' })
  expect([status, stderr, stdout.endsWith('os ID=debian\n')]).toEqual([0, '', true])
  return underWay(stdout)
}

it('a run that holds the lock is reported with its holder, start and command', async () => {
  await hold(true)
  expect(asked()).toBe(
    'a run is under way on this host, by jane on laptop since 2026-11-23T10:00:00Z (provision run): what is shown here may change with its next step',
  )
})

it('a run that has ended is not reported, whether its shell or only its record is left', async () => {
  expect(asked()).toBeUndefined()
  await hold(false)
  expect(asked()).toBeUndefined()
  await hold(true)
  shell?.kill('SIGKILL')
  await once(shell as ChildProcess, 'exit')
  expect(asked()).toBeUndefined()
})

it('a damaged record is reported as an unknown run', async () => {
  await hold(true, 'not JSON')
  expect(asked()).toContain('by an unknown run:')
})

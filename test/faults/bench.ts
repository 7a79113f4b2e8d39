import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type LabSpec, leaderOf } from '../../src/lab/index.ts'
import type { Project } from '../e2e/support/project.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const BIN = join(here, '../../bin/provision.js')

/** A project and its lab. Its hosts alternate between two states, each with a playbook. */
export interface Bench {
  readonly project: Project
  readonly spec: LabSpec
  /** Additional arguments of every run: `--prune`. */
  readonly words?: readonly string[]
}

export interface Ended {
  readonly status: number | null
  readonly said: string
}

const ending = async (child: ChildProcess, heard: (said: string) => void = () => {}): Promise<Ended> => {
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      said += chunk
      heard(said)
    })
  const [status] = await once(child, 'close')
  return { status, said }
}

/** Runs a playbook to its end, with `--wait`. `heard` gets the output so far. */
export const run = (
  { project: { root, env }, words = [] }: Bench,
  playbook: string,
  { heard }: { heard?: (said: string) => void } = {},
): Promise<Ended> =>
  ending(
    spawn(process.execPath, [BIN, 'run', ...words, '--wait', '--output', 'plain', `playbooks/${playbook}.yaml`], { cwd: root, env }),
    heard,
  )

/** A run that stopped itself after a number of requests, or ended before. */
export interface Stopped {
  readonly pid: number
  /** Host of the last request. */
  readonly host: string
  readonly written: number
  /** Number of requests sent so far. */
  requests(): number
  readonly isOver: boolean
  readonly ended: Promise<Ended>
}

/** Starts a run that stops right after its n-th request, counted over all hosts. */
export const runUntil = async (
  { project: { root, env }, words: besides = [] }: Bench,
  playbook: string,
  after: number,
): Promise<Stopped> => {
  const note = join(root, 'written')
  writeFileSync(note, '0 ')
  const words = ['run', ...besides, '--output', 'plain', `playbooks/${playbook}.yaml`]
  const child = spawn(process.execPath, [join(here, 'cut.ts'), String(after), note, ...words], { cwd: root, env })
  const ended = ending(child)
  let isOver = false
  ended.then(() => {
    isOver = true
  })
  const pid = child.pid ?? 0
  while (!isOver && !isStopped(pid)) await sleep(10)
  const [written = '0', host = ''] = readFileSync(note, 'utf8').split(' ')
  const requests = (): number => Number.parseInt(readFileSync(note, 'utf8'), 10)
  return { pid, host, written: Number(written), requests, isOver, ended }
}

const isStopped = (pid: number): boolean => {
  try {
    return /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Path of a file of a running host, as this machine sees it. */
export const onHost = async (spec: LabSpec, host: string, path: string): Promise<string> =>
  `/proc/${await leaderOf(spec, host)}/root${path}`

/** Counts the calls of the next root shell of the host, and ends or holds it just before its n-th program or rename (0: never). */
export const arm = async (spec: LabSpec, host: string, at: number, how: 'kill' | 'hold' = 'kill'): Promise<void> => {
  const root = await onHost(spec, host, '')
  mkdirSync(`${root}/usr/local/sbin`, { recursive: true })
  for (const name of ['fault.log', 'fault.held']) rmSync(`${root}/run/${name}`, { force: true })
  writeFileSync(`${root}/run/fault`, `${at} ${how}\n`)
  copyFileSync(join(here, 'traced-sh'), `${root}/usr/local/sbin/sh`)
}

/** A call of the counted shell: a started program, a renamed file, or an fsync. */
export interface Call {
  /** Number among the counted calls. */
  readonly count: number
  readonly call: string
  readonly by: string
  readonly paths: readonly string[]
}

/** Returns the calls since `arm`, and stops counting. */
export const counted = async (spec: LabSpec, host: string): Promise<readonly Call[]> => {
  const root = await onHost(spec, host, '')
  for (const path of ['/run/fault', '/usr/local/sbin/sh']) rmSync(root + path, { force: true })
  let text: string
  try {
    text = readFileSync(`${root}/run/fault.log`, 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    const [count, call = '', by = '', ...paths] = line.split('\t')
    return count === '' || count === undefined ? [] : [{ count: Number(count), call, by, paths }]
  })
}

/** Ages every heartbeat on the host by half a minute until it is stopped: a silent controller then loses the lock within the test. */
export const fastForward = async (spec: LabSpec, host: string): Promise<() => void> => {
  const run = await onHost(spec, host, '/run')
  const forget = (): void => {
    for (const name of readdirSync(run).filter((one) => /^provision\.\d/.test(one))) {
      try {
        const [state = ''] = readFileSync(`${run}/${name}/beat`, 'utf8').split(' ')
        if (state === 'idle') writeFileSync(`${run}/${name}/beat`, 'idle 1.00\n')
      } catch {
        // The shell has ended meanwhile.
      }
    }
  }
  const timer = setInterval(forget, 100)
  return () => clearInterval(timer)
}

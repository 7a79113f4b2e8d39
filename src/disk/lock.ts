import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Problem } from '../problem.ts'
import { quote } from '../shell/quote.ts'
import { readPlain } from './read.ts'
import { targetOf } from './target.ts'
import { reporting, writeWhole } from './write.ts'

/** Holder of a lock, as written in the lock file. */
export interface Holder {
  readonly user: string
  readonly machine: string
  readonly process: number
  /** Distinguishes the process from a later one with the same number; empty if the system does not provide it. */
  readonly born: string
  readonly since: string
  /** Directory of unfinished work. */
  readonly scratch?: string
}

export interface Lock {
  /** The previous holder, if its process ended without releasing the lock. */
  readonly stale: Holder | undefined
  /** Records the directory of unfinished work. */
  note(scratch: string): void
  release(): void
}

const MAX_BYTES = 4096

/**
 * Takes the lock of a file: `.NAME.lock` in the same directory. Takes over a lock whose process has ended. Throws a `Problem` if another
 * process holds it; a lock of another machine cannot be checked from here, so a person must remove a stale one.
 */
export const lockFile = (path: string, shown: string, user: string): Lock => {
  const target = targetOf(path, shown)
  const file = join(dirname(target), `.${basename(target)}.lock`)
  const mine: Holder = { user, machine: hostname(), process: process.pid, born: startTimeOf(process.pid), since: new Date().toISOString() }
  const write = (scratch?: string, onlyNew = false): boolean =>
    writeWhole(file, `${JSON.stringify({ ...mine, ...(scratch === undefined ? {} : { scratch }) })}\n`, {
      mode: 0o644,
      onlyNew,
      shown: file,
    })
  let stale: Holder | undefined
  if (!write(undefined, true)) {
    stale = removeStaleLock(file, shown)
    if (!write(undefined, true)) throw held(file, shown, holderIn(textOf(file)))
  }
  const isMine = (): boolean => holderIn(textOf(file))?.born === mine.born && holderIn(textOf(file))?.process === mine.process
  return {
    stale,
    note: (scratch) => void (isMine() && write(scratch)),
    release: () => {
      try {
        if (isMine()) rmSync(file, { force: true })
      } catch {
        // The next command finds that this process has ended.
      }
    },
  }
}

/** Removes a lock whose process has ended. A lock that replaced it meanwhile stays. */
const removeStaleLock = (file: string, shown: string): Holder | undefined =>
  reporting(file, () => {
    const text = textOf(file)
    const holder = holderIn(text)
    if (holder === undefined || !hasEnded(holder)) {
      if (lstatSync(file, { throwIfNoEntry: false }) === undefined) return undefined
      throw held(file, shown, holder)
    }
    const aside = `${file}.${randomBytes(8).toString('hex')}`
    try {
      renameSync(file, aside)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    if (textOf(aside) !== text) linkSync(aside, file)
    rmSync(aside)
    return holder
  })

const textOf = (file: string): string | undefined => readPlain(file, MAX_BYTES)

const holderIn = (text: string | undefined): Holder | undefined => {
  try {
    const found: unknown = JSON.parse(text ?? '')
    const { user, machine, process, born, since, scratch } = found as Partial<Holder>
    const words = [user, machine, born, since].every((one) => typeof one === 'string')
    if (!words || !Number.isSafeInteger(process) || (process ?? 0) < 1 || !['string', 'undefined'].includes(typeof scratch))
      return undefined
    return found as Holder
  } catch {
    return undefined
  }
}

const hasEnded = ({ machine, process: pid, born }: Holder): boolean => {
  if (machine !== hostname()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true
  }
  const now = startTimeOf(pid)
  return born !== '' && now !== '' && now !== born
}

/** Boot id and start time of a process: field 22 of /proc/PID/stat, see proc(5). The name in parentheses can contain blanks. */
const startTimeOf = (pid: number): string => {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return `${boot} ${fields[19]}`
  } catch {
    return ''
  }
}

const held = (file: string, shown: string, holder: Holder | undefined): Problem =>
  new Problem({
    class: 'input',
    where: { file: shown },
    what: `${basename(shown)} is locked by another command`,
    why:
      holder === undefined
        ? `the lock file names no holder: ${file}`
        : `${holder.user} on ${holder.machine} has held the lock since ${holder.since} (process ${holder.process})`,
    fix: `wait until that command ends; if it no longer runs: rm ${quote(file)}`,
  })

import { closeSync, constants, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { type SshLog, SshLogReader } from './log.ts'

/** Bytes of messages after which ssh is ended: the peer decides how many there are, and ssh writes them to the disk. */
export const MAX_MESSAGES = 8 * 1024 * 1024
/** Bytes that are read at a time, so that no host occupies the controller. */
const PORTION = 256 * 1024
const buffer = Buffer.alloc(PORTION)

/** The file to which ssh writes its messages. */
export interface Messages {
  /** The messages so far. */
  readonly log: SshLog
  /** Whether there are more than `MAX_MESSAGES` bytes. */
  readonly isFlooded: boolean
  /** Reads a portion of what is new. */
  read(): void
  /** Reads the rest, and closes the file. */
  close(): void
}

/** Follows the file, and deletes it: ssh has it open. */
export const messagesIn = (file: string, word: string): Messages => {
  const reader = new SshLogReader(word)
  let descriptor: number | undefined
  let position = 0
  let isFlooded = false
  const open = (): number | undefined => {
    try {
      const fresh = openSync(file, constants.O_RDONLY)
      rmSync(file)
      return fresh
    } catch {
      return undefined
    }
  }
  /** Returns whether there may be more. */
  const take = (): boolean => {
    descriptor ??= open()
    if (descriptor === undefined) return false
    isFlooded ||= fstatSync(descriptor).size > MAX_MESSAGES
    const length = readSync(descriptor, buffer)
    position += length
    reader.push(buffer.toString('utf8', 0, length))
    return length > 0 && position < MAX_MESSAGES
  }
  return {
    get log() {
      const { log } = reader
      return isFlooded ? { ...log, messages: [...log.messages, FLOODED] } : log
    },
    get isFlooded() {
      return isFlooded
    },
    read: () => void take(),
    close: () => {
      while (take());
      if (descriptor !== undefined) closeSync(descriptor)
      else rmSync(file, { force: true })
      descriptor = undefined
    },
  }
}

const FLOODED = `provision ended ssh, which wrote more than ${MAX_MESSAGES / 1024 / 1024} MB of messages`

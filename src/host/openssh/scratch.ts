import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let made: Promise<string> | undefined

/** A private directory of this process for the messages and questions of ssh. It is deleted when the process ends. */
export const scratch = (): Promise<string> => {
  made ??= mkdtemp(join(tmpdir(), 'provision-openssh-')).then((directory) => {
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    return directory
  })
  return made
}

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LabSpec, layoutOf } from '../../../src/lab/index.ts'
import { installCommand } from '../../e2e/support/install-command.ts'

/** Captures all packets of a lab, except downloads from Debian, until `end`. Read it afterwards. */
export const captureWire = (spec: LabSpec) => {
  installCommand('tcpdump')
  const directory = mkdtempSync(join(tmpdir(), 'provision-wire-'))
  const file = join(directory, 'all')
  const words = ['netns', 'exec', layoutOf(spec).switch, 'tcpdump', '-q', '-i', 'any', '-s', '0', '-w', file, 'not port 80']
  const capture = spawn('ip', words, { stdio: 'ignore' })
  const ended = once(capture, 'exit')
  return {
    end: async (): Promise<void> => {
      // The last packets may not be read yet.
      await sleep(1000)
      capture.kill('SIGINT')
      await ended
    },
    /** Returns the number of captured lines that contain a text. */
    linesWith: (text: string): number => Number(spawnSync('grep', ['-a', '-c', '-i', '-e', text, file], { encoding: 'utf8' }).stdout),
    /** Returns the number of captured packets that match a filter of tcpdump. */
    packetsOf: (filter: string): number => {
      const { stdout } = spawnSync('tcpdump', ['-q', '-n', '-r', file, filter], { encoding: 'utf8', maxBuffer: 1e9 })
      return stdout.split('\n').length - 1
    },
    remove: (): void => {
      capture.kill('SIGINT')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

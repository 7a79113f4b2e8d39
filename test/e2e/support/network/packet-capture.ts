import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LabSpec, layoutOf } from '../../../../src/lab/index.ts'
import { installCommand } from '../install-command.ts'

/** Captured packets of a lab's bridge. */
export interface Packets {
  readonly file: string
}

/** Captures all packets on the bridge of a lab while `act` runs. */
export const whileCaptured = async (lab: LabSpec, act: () => Promise<void>): Promise<Packets> => {
  installCommand('tshark')
  const file = join(mkdtempSync(join(tmpdir(), 'provision-wire-')), 'packets.pcap')
  const tshark = spawn('ip', ['netns', 'exec', layoutOf(lab).switch, 'tshark', '-q', '-F', 'pcap', '-i', 'bridge', '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise((resolve) => tshark.once('exit', resolve))
  await new Promise<void>((resolve, reject) => {
    tshark.stderr.on('data', (chunk: Buffer) => chunk.includes('Capturing on') && resolve())
    tshark.once('exit', (code) => reject(new Error(`tshark ended (${code})`)))
  })
  // tcpdump reports this shortly before it captures.
  await sleep(1000)
  try {
    await act()
  } finally {
    await sleep(500)
    tshark.kill('SIGINT')
    await ended
  }
  return { file }
}

/** Returns the TCP payload of the packets that match a filter, as text. */
export const readable = ({ file }: Packets, filter: string): string => {
  const { stdout, status, stderr } = spawnSync(
    'tshark',
    ['-r', file, '-Y', `(${filter}) && tcp.len > 0`, '-T', 'fields', '-e', 'tcp.payload'],
    { encoding: 'utf8', maxBuffer: 1e9 },
  )
  if (status !== 0) throw new Error(`tshark: ${stderr}`)
  return stdout
    .split('\n')
    .map((line) => Buffer.from(line, 'hex').toString('latin1'))
    .join('\n')
}

/** Deletes the captured packets. */
export const forget = ({ file }: Packets): void => rmSync(join(file, '..'), { recursive: true })

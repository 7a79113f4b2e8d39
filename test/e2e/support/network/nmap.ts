import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Targets of a scan, and its source. */
export interface Scan {
  /** A process whose network namespace is the source; undefined: this machine. */
  readonly from: number | undefined
  /** Addresses of one family. */
  readonly addresses: readonly string[]
  /** As nmap writes them: `22,80`, or `-` for all there are. */
  readonly ports: string
  readonly protocol: 'tcp' | 'udp'
}

/**
 * The ports of each address from which anything came back, sorted by number: `22/tcp open`; `closed` where nobody listens. A port
 * that a firewall drops says nothing, and neither does a UDP service, so a UDP port that may be asked is one that is closed.
 */
export const answering = async ({ from, addresses, ports, protocol }: Scan): Promise<ReadonlyMap<string, readonly string[]>> => {
  const family = addresses[0]?.includes(':') ? ['-6'] : []
  const how = [protocol === 'udp' ? '-sU' : '-sS', `-p${ports}`, '-n', '-Pn', ...family, ...PACE, '-oX', '-', ...addresses]
  const [command = '', ...words] = [...(from === undefined ? [] : ['nsenter', `--target=${from}`, '--net']), 'nmap', ...how]
  const { stdout } = await promisify(execFile)(command, words, { maxBuffer: 1e8 })
  const hosts = stdout.split('<host ').slice(1)
  if (hosts.length !== addresses.length) throw new Error(`nmap asked ${hosts.length} of ${addresses.length} hosts:\n${stdout}`)
  return new Map(hosts.map((host) => [/<address addr="([^"]+)"/.exec(host)?.[1] ?? '', answersIn(host)]))
}

// A wire without loss and with answers in under a millisecond: what is not there after two retries says nothing.
const PACE = ['--min-rate=8000', '--max-retries=2', '--initial-rtt-timeout=200ms', '--max-rtt-timeout=400ms']

// nmap summarises ports with the same answer; only ports without an answer may be summarised here.
const answersIn = (host: string): readonly string[] => {
  const sums = [...host.matchAll(/<extrareasons reason="([^"]+)" count="(\d+)"/g)].filter(([, reason]) => reason !== 'no-response')
  const single = [...host.matchAll(/<port protocol="(\w+)" portid="(\d+)"><state state="([^"]+)" reason="([^"]+)"/g)]
  return [
    ...single
      .filter(([, , , , reason]) => reason !== 'no-response')
      .map(([, protocol, port, state]) => ({ port: Number(port), said: `${port}/${protocol} ${state}` }))
      .sort((a, b) => a.port - b.port)
      .map(({ said }) => said),
    ...sums.map(([, reason, count]) => `${count} ports: ${reason}`),
  ]
}

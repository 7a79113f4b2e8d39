import { fileURLToPath } from 'node:url'
import { openShell } from '../../../src/host/shell/open.ts'
import type { Answer, Holder } from '../../../src/host/shell/shell.ts'
import type { Target } from '../../../src/host/target/connection.ts'
import { type LabSpec, labDown, labReset } from '../../../src/lab/index.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

// Each worker has its own.
const worker = Number(process.env.VITEST_POOL_ID ?? 0)
/** First three bytes of the addresses of the hosts, and their IPv6 network. */
export const [SUBNET, SUBNET_6] = [`10.79.${210 + worker}`, `fd79:${210 + worker}::`]
/** Address of the first host. */
export const HOST = `${SUBNET}.11`

/** Two bare hosts for the tests of src/host. */
const spec: LabSpec = {
  name: `t-host-${worker}`,
  root,
  hosts: [
    { name: 'h1', user: 'ops', addresses: [HOST, `${SUBNET_6}11`] },
    { name: 'h2', user: 'ops', addresses: [`${SUBNET}.12`, `${SUBNET_6}12`] },
  ],
}

export const bootHosts = (): Promise<void> => labReset(spec)
export const endHosts = (): Promise<void> => labDown(spec)

/** Path of a file of the lab: `id_ed25519`, `known_hosts`. */
export const labFile = (name: string): string => `${root}/.provision/lab/${spec.name}/${name}`

/** The transport of the tests. */
export const transport: { current: NonNullable<Target['transport']> } = { current: 'auto' }

/** The connection to the first host, with the settings of `otherwise`. */
export const target = (otherwise: Partial<Target> = {}): Target => ({
  name: 'h1',
  address: HOST,
  port: 22,
  user: 'ops',
  keys: [labFile('id_ed25519')],
  knownHosts: [labFile('known_hosts')],
  hostKeys: 'strict',
  jump: [],
  transport: transport.current,
  ...otherwise,
})

/** The first host through a relay on this machine. The host key is still stored under the address of the host. */
export const through = (port: number): Target => target({ address: '127.0.0.1', port, hostKeyAlias: HOST })

export const holder = (command: string): Holder => ({ user: 'me', machine: 'here', command, since: '2026-11-23T10:00:00Z' })

/** Runs a script as root over a separate connection, and returns its output. Throws if the script fails. */
export const onHost = async (script: string, otherwise: Partial<Target> = {}): Promise<string> => {
  const shell = await openShell(target(otherwise))
  try {
    const { code, stdout, stderr } = await shell.request(script)
    if (code !== 0) throw new Error(`exit ${code}: ${stderr}`)
    return stdout.toString().trim()
  } finally {
    await shell.close()
  }
}

export const textOf = ({ stdout }: Answer): string => stdout.toString()

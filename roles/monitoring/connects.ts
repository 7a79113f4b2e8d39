import { type Connection, Secret } from 'provision'
import type { Options } from './options.ts'

/** Connections of a monitoring server to places outside the site: receivers of alerts, the heartbeat, and pages that it requests. */
export const connectionsOf = ({ receivers, heartbeat, probes }: Options): readonly Connection[] => [
  ...receivers.map((one) => connection('alerts', 'server' in one ? `smtp://${one.server}` : one.url)),
  ...(heartbeat === undefined ? [] : [connection('heartbeat', heartbeat)]),
  ...probes.map(({ url }) => connection('probes', url)),
]

/** APIs without an address of their own are at a public one. An address that cannot be read is refused elsewhere. */
const connection = (service: string, address: string | Secret | undefined): Connection => {
  const text = address instanceof Secret ? address.reveal() : (address ?? 'https://api')
  const url = URL.canParse(text) ? new URL(text) : undefined
  return { service, port: Number(url?.port) || (url?.protocol === 'http:' ? 80 : 443), protocol: 'tcp' }
}

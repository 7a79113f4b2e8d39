import { type Connection, Secret } from 'provision'
import type { Probe } from './options/probes.ts'
import type { Options } from './options.ts'
import { addressOf } from './own-probes.ts'

/** Connections of a monitoring server to places outside the site: receivers of alerts, the heartbeat, and what it probes and reads. */
export const connectionsOf = ({ receivers, heartbeat, probes, targets, remote_write }: Options): readonly Connection[] => [
  ...receivers.map((one) => connection('alerts', 'server' in one ? `smtp://${one.server}` : one.url)),
  ...(heartbeat === undefined ? [] : [connection('heartbeat', heartbeat)]),
  ...probes.flatMap(probeConnections),
  ...targets.flatMap((one) => ('url' in one ? [connection('measurements', one.url)] : [])),
  ...remote_write.map(({ url }) => connection('measurements', url)),
]

const probeConnections = (probe: Probe): readonly Connection[] => {
  const service = 'probes'
  if ('url' in probe) return [connection(service, probe.url)]
  if ('dns' in probe) return [{ service, port: 53, protocol: 'udp' }]
  return [{ service, port: addressOf(probe)?.port ?? 0, protocol: 'tcp' }]
}

/** Without an address, the API is a public one over HTTPS. Other checks refuse an invalid address. */
const connection = (service: string, address: string | Secret | undefined): Connection => {
  const text = address instanceof Secret ? address.reveal() : (address ?? 'https://api')
  const url = URL.canParse(text) ? new URL(text) : undefined
  return { service, port: Number(url?.port) || (url?.protocol === 'http:' ? 80 : 443), protocol: 'tcp' }
}

import { type Listen, peerOf } from 'provision'
import { type Options, rateOf } from './options.ts'

type Opened = Omit<Options['open'][string], 'forwarded'> & { readonly forwarded?: boolean }

/** The ports that the options open: those of sshd, of programs that no role installs, and those that are passed on. */
export const listensOf = (options: Options, sshPort: number): readonly Listen[] => [
  {
    service: 'ssh',
    port: sshPort,
    protocol: 'tcp',
    from: [options.administrators.length > 0 ? 'administrators' : 'anyone'],
    encrypted: true,
  },
  ...Object.entries(options.open).map(([name, one]) => listenOf(name, one)),
  ...Object.entries(options.interfaces).flatMap(([device, { open }]) =>
    Object.entries(open).map(([name, one]) => ({ ...listenOf(name, one), interface: device })),
  ),
  ...Object.entries(options.forwards).map(([name, one]) => ({ ...listenOf(name, one), forwarded: true as const })),
]

const listenOf = (service: string, { port, protocol, from, why, rate, forwarded }: Opened): Listen => ({
  ...{ service, port, protocol, from: from.map(peerOf) },
  ...(why !== undefined && { why }),
  ...(forwarded === true && { forwarded }),
  ...(rate !== undefined && { rate: rateOf(rate) }),
})

import type { Flow, HostView, SiteView } from 'provision'
import type { Options } from '../options.ts'
import { addressFor, admits } from '../sites/servers.ts'
import type { TcpBackend } from './config.ts'
import { admittedTo } from './options.ts'

/** All services with their servers. */
export const tcpBackendsOf = ({ tcp }: Options, host: HostView, site: SiteView): readonly TcpBackend[] =>
  tcp.map((service) => ({
    service,
    admitted: admittedTo(service, site),
    servers: site.group(service.backend).map((member) => ({
      ...{ name: member.name, address: addressFor(member, host), port: service.backend_port ?? service.port },
    })),
  }))

/** Servers whose port no role opens to this balancer. */
export const tcpWarnings = ({ tcp }: Options, host: HostView, site: SiteView, flows: readonly Flow[]): readonly string[] =>
  tcp.flatMap(({ name, backend, port, backend_port: at = port }) =>
    site
      .group(backend)
      .filter(
        (member) => !flows.some((flow) => flow.host === member.name && flow.protocol === 'tcp' && flow.port === at && admits(flow, host)),
      )
      .map(
        (member) =>
          `no role opens port ${at} of ${member.name} to ${host.name} for the service ${name}; if the firewall runs there, open it with its option \`open\``,
      ),
  )

import {
  bracketed,
  directory,
  file,
  type HostContext,
  newWorker,
  pkg,
  type Resource,
  sandbox,
  service,
  settingLines,
  text,
  unit,
} from 'provision'
import { addressOf } from './addresses.ts'
import { PKI } from './config.ts'
import { membersOf, type Options } from './options.ts'
import { certificateResources } from './users.ts'

const UNIT = 'provision-database-proxy.service'
const CONFIG = '/etc/provision/database-proxy.cfg'
const SET = { name: 'database-proxy', root: '/etc/provision', check: ['haproxy', '-c', '-q', '-f', CONFIG] }

/**
 * Proxy on each host with applications: one port leads to the server that accepts writes, another to all servers. It is a separate
 * HAProxy, and passes TLS through from the application to the server.
 */
export const proxyResources = (context: HostContext<Options>, hasServer: boolean): readonly Resource[] => {
  const { options: given, site, authority } = context
  const members = membersOf(given, site)
  const own = authority({ domain: 'database' })
  const config = file({
    path: CONFIG,
    set: SET,
    content: proxyConfig(
      given,
      members.servers.map((server) => ({ name: server.name, address: bracketed(addressOf(server, members)) })),
      members.primary,
    ),
  })
  const ours = unit({
    name: UNIT,
    content: `# Written by provision.
[Unit]
Description=Database proxy for the applications of this host
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStartPre=/usr/sbin/haproxy -c -q -f ${CONFIG}
ExecStart=/usr/sbin/haproxy -Ws -f ${CONFIG}
ExecReload=/usr/sbin/haproxy -c -q -f ${CONFIG}
ExecReload=/bin/kill -USR2 $MAINPID
User=haproxy
Group=haproxy
KillMode=mixed
SuccessExitStatus=143
Restart=always
RestartSec=1s
LimitNOFILE=16384
${settingLines(sandbox({ network: 'all' }))}
[Install]
WantedBy=multi-user.target
`,
  })
  return [
    pkg({ name: 'haproxy' }),
    ...(hasServer
      ? []
      : [
          directory({ path: '/etc/mysql' }),
          directory({ path: PKI.directory }),
          file({ path: PKI.trusted, content: text`${own.certificate}` }),
        ]),
    ...certificateResources(context),
    directory({ path: '/etc/provision' }),
    config,
    ours,
    service({ unit: UNIT, loads: [config], restarts: [ours], set: SET.name, took: newWorker }),
  ]
}

interface Target {
  readonly name: string
  readonly address: string
}

/** Content of the proxy's configuration. One server accepts writes at a time: two that change the same rows would refuse commits. */
export const proxyConfig = (
  { writer_port, reader_port, health_port, connections }: Options,
  servers: readonly Target[],
  primary: string | undefined,
): string => {
  // With replicas, only the primary reports that it accepts writes, so no order of servers is needed.
  const backup = (i: number): string => (primary !== undefined ? '' : ` on-marked-up shutdown-backup-sessions${i === 0 ? '' : ' backup'}`)
  return `# Written by provision.
global
    log /dev/log local0
    maxconn ${connections * 2 + 100}

defaults
    mode tcp
    log global
    option dontlog-normal
    # Detects a lost host by the connection. A slow server gets time to answer.
    timeout connect 1s
    # Equals the idle timeout of the server.
    timeout client 8h
    timeout server 8h
    timeout check 5s
    retries 1
    option redispatch
    default-server port ${health_port} check inter 1s fastinter 500ms fall 3 rise 2 on-marked-down shutdown-sessions

# The first healthy server, the same on every host. Connections to another one are closed when it is back.
listen writer
    bind 127.0.0.1:${writer_port}
    option httpchk GET /
    http-check expect status 200,206
${servers.map(({ name, address }, i) => `    server ${name} ${address}:3306${backup(i)}\n`).join('')}
# All healthy servers. A server that copies its data to another one is used only if there is no other.
listen reader
    bind 127.0.0.1:${reader_port}
    balance leastconn
    option httpchk GET /
    http-check expect status 200,203
${servers.map(({ name, address }) => `    server ${name} ${address}:3306 inter 2s\n`).join('')}${servers
  .map(({ name, address }) => `    server ${name}-busy ${address}:3306 no-check track writer/${name} backup\n`)
  .join('')}`
}

import { databaseAccount, directory, file, type Resource, service, unit, user } from 'provision'
import type { Cast } from './options.ts'

const NAME = 'provision-database-health'
const SCRIPT = `/usr/local/lib/provision/database-health`

/** The account that may see how a server stands, and nothing else. */
export const HEALTH_ACCOUNT = 'provision-health'

/** Before the server runs: who answers the proxies, and how. */
export const healthResources = (address: string, port: number): readonly Resource[] => {
  const script = file({ path: SCRIPT, mode: '755', content: SCRIPT_TEXT })
  const socket = unit({
    name: `${NAME}.socket`,
    content: `# Written by provision.
[Unit]
Description=How the database server stands, for the proxies of applications
Wants=network-online.target
After=network-online.target

[Socket]
ListenStream=${address}:${port}
FreeBind=yes
Accept=yes
MaxConnections=64

[Install]
WantedBy=sockets.target
`,
  })
  // A template is no unit that systemd could be asked about; it is read whenever somebody comes.
  const answer = file({
    path: `/etc/systemd/system/${NAME}@.service`,
    content: `# Written by provision.
[Unit]
Description=An answer to a proxy
CollectMode=inactive-or-failed

[Service]
ExecStart=${SCRIPT}
StandardInput=socket
StandardOutput=socket
StandardError=null
User=${HEALTH_ACCOUNT}
RuntimeMaxSec=5s
LogLevelMax=warning
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
CapabilityBoundingSet=
`,
  })
  return [
    user({ name: HEALTH_ACCOUNT, system: true, home: '/nonexistent' }),
    directory({ path: '/usr/local/lib/provision' }),
    script,
    answer,
    socket,
    service({ unit: `${NAME}.socket`, restarts: [socket], reload: 'restart' }),
  ] as readonly Resource[]
}

/** In the server: its account. It has no grants: how a server stands, everybody may ask. */
export const healthAccount = (cast: Cast, me: string): Resource =>
  databaseAccount({ user: HEALTH_ACCOUNT, host: 'localhost', me, servers: cast.servers.map(({ name }) => name) }) as Resource

/** 200: writes and reads are welcome. 206: it is busy giving its data to another, and serves when nobody else does. 503: it is no part of the majority. */
const SCRIPT_TEXT = `#!/bin/sh
# Written by provision.
while read -r line && [ "\${line%\${line#?}}" != "$(printf '\\r')" ] && [ -n "$line" ]; do :; done
said=$(timeout 2 mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB -e "SELECT CONCAT_WS(' ', @@read_only,
 COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_CLUSTER_STATUS'), ''),
 COALESCE((SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'WSREP_LOCAL_STATE_COMMENT'), ''))")
case $said in
  # A server without a cluster says Disconnected.
  'OFF Primary Synced'|'OFF Disconnected '*|'OFF ') status='200 OK' ;;
  'OFF Primary Donor/Desynced') status='206 Partial Content' ;;
  *) status='503 Service Unavailable' ;;
esac
printf 'HTTP/1.0 %s\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\n\\r\\n%s\\n' "$status" "\${said:-does not run}"
`

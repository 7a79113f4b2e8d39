import { bracketed, type Check, type HostView, isReplicatedServer, replicatedMembers, type SiteContext, sh } from 'provision'
import { PATHS } from './config.ts'
import type { Options } from './options.ts'
import { SCRIPT } from './script.ts'

/** Checks of `provision verify`. */
export const checksOf = ({ options: given, host, site }: SiteContext<Options>): readonly Check[] => {
  if (!isReplicatedServer(given, site, host)) return clientChecks(given, site.group(given.servers))
  const { servers, primary } = replicatedMembers(given, site)
  const replicas = servers.length - 1
  return [
    { name: 'the server presents a certificate of the authority redis', script: tlsScript(host, given.port) },
    { name: 'the server refuses clients without a password', script: refusalScript(host, given.port) },
    { name: 'the server saved its data the last time', script: SAVED },
    ...(primary?.name === host.name
      ? [
          { name: 'this server accepts writes', script: roleScript('master') },
          ...(replicas > 0 ? [{ name: 'every replica follows this server', script: replicasScript(replicas) }] : []),
        ]
      : [{ name: `this server replicates from ${primary?.name}`, script: FOLLOWS }]),
  ]
}

const clientChecks = ({ port }: Options, servers: readonly HostView[]): readonly Check[] =>
  servers.map((server) => ({ name: `${server.name} can be reached from here, and verified`, script: tlsScript(server, port) }))

const connection = (host: HostView, port: number): readonly string[] => ['-connect', `${bracketed(host.addresses[0] ?? host.name)}:${port}`]

const tlsScript = (host: HostView, port: number) => sh`
answer=$(echo | timeout 10 openssl s_client ${connection(host, port)} -verify_return_error -verify_ip ${host.addresses[0] ?? ''} -CAfile ${PATHS.trusted} 2>&1)
case $answer in *'Verify return code: 0 (ok)'*) ;; *) printf '%s\\n' "$answer" | tail -n 20; exit 1 ;; esac`

const refusalScript = (host: HostView, port: number) => sh`
answer=$({ printf 'PING\\r\\n'; sleep 1; } | timeout 10 openssl s_client -quiet -no_ign_eof ${connection(host, port)} -CAfile ${PATHS.trusted} 2>/dev/null)
case $answer in -NOAUTH*) ;; *) printf 'it answers: %s\\n' "$answer"; exit 1 ;; esac`

const SAVED = sh`
answer=$(${SCRIPT} ask info persistence) || { printf '%s\\n' "$answer"; exit 1; }
case $answer in *last_bgsave_status:err*|*last_write_status:err*) printf '%s\\n' "$answer" | grep status; exit 1 ;; esac`

const roleScript = (role: string) => sh`
answer=$(${SCRIPT} ask info replication) || { printf '%s\\n' "$answer"; exit 1; }
case $answer in *${`role:${role}`}*) ;; *) printf '%s\\n' "$answer" | head -n 4; exit 1 ;; esac`

/** Every replica must have what the primary has acknowledged. `wait` counts those that confirm within two seconds. */
const replicasScript = (count: number) => sh`
found=$(${SCRIPT} ask wait ${String(count)} 2000) || { printf '%s\\n' "$found"; exit 1; }
[ "$found" -ge ${String(count)} ] || { echo "only $found "${`of ${count} replicas have all writes`}; exit 1; }`

const FOLLOWS = sh`
i=0; until answer=$(${SCRIPT} ask info replication) && case $answer in *role:slave*master_link_status:up*) ;; *) false ;; esac; do
  [ $i -lt 20 ] || { printf '%s\\n' "$answer" | grep -E '^(role|master_)'; exit 1; }
  sleep 0.5; i=$((i+1))
done`

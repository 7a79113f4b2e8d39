import { PATHS } from './config.ts'
import type { Options } from './options.ts'
import type { Software } from './release.ts'

/** Program of this role on a host, also for `provision verify`. */
export const SCRIPT = '/usr/local/lib/provision/redis'

/**
 * Starts the server, and changes it without losing data. A server whose kind of persistence changed starts with the kind that it had, from the
 * files of that kind, and changes to the other one while it runs. Otherwise it would start empty.
 */
export const redisScript = ({ persistence }: Pick<Options, 'persistence'>, { server, client }: Software): string => `#!/bin/sh
# Written by provision. Starts, reloads and asks the server of the role redis.
set -u
ask() {
  REDISCLI_AUTH=$(cat ${PATHS.administrator}) || exit 1
  export REDISCLI_AUTH
  timeout 20 ${client} -s ${PATHS.socket} --user provision --no-auth-warning "$@" </dev/null
}
# The client exits with 0 even if the server refuses.
change() {
  answer=$(ask "$@") || { printf '%s\\n' "$answer" >&2; exit 1; }
  [ "$answer" = OK ] || { printf '%s: %s\\n' "$1" "$answer" >&2; exit 1; }
}
has_log() { [ -e ${PATHS.data}/appendonlydir ] || [ -e ${PATHS.data}/appendonly.aof ]; }

case $1 in
  start)
    umask 077
    set -- ${server} ${PATHS.config}
${
  persistence === 'append'
    ? `    # A new log would be empty beside the snapshot.
    has_log || [ ! -s ${PATHS.data}/dump.rdb ] || set -- "$@" --appendonly no`
    : persistence === 'snapshots'
      ? `    # The snapshot may be older than the log, or missing.
    ! has_log || set -- "$@" --appendonly yes`
      : `    rm -rf ${PATHS.data}/appendonlydir ${PATHS.data}/appendonly.aof ${PATHS.data}/dump.rdb`
}
    exec "$@"
    ;;
  started)
${
  persistence === 'append'
    ? `    change config set appendonly yes
    i=0; while ask info persistence | grep -q 'aof_rewrite_\\(in_progress\\|scheduled\\):1'; do
      [ $i -lt 3000 ] || { echo 'the log is still written' >&2; exit 1; }
      sleep 0.2; i=$((i+1))
    done
    rm -f ${PATHS.data}/dump.rdb`
    : persistence === 'snapshots'
      ? `    ! has_log || { change save; change config set appendonly no; rm -rf ${PATHS.data}/appendonlydir ${PATHS.data}/appendonly.aof; }`
      : '    :'
}
    ;;
  reload)
    change acl load
    change config set tls-cert-file ${PATHS.pair}
    change config set tls-key-file ${PATHS.pair}.key
    change config set tls-ca-cert-file ${PATHS.trusted}
    ;;
  ask) shift; ask "$@" ;;
esac
`

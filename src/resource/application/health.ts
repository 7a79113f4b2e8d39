import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'

/** Address and health check of an application. */
export interface Health {
  /** Port on 127.0.0.1. */
  readonly port: number
  /** Path that must answer without an error; default: the port accepts connections. */
  readonly path?: string | undefined
  /** Host name of the request. */
  readonly host?: string | undefined
  readonly seconds: number
}

/**
 * Command of a unit that waits until the application listens. systemd expands variables first, so the script must not contain any.
 */
export const untilListening = ({ port, seconds }: Health): string =>
  `for i in {1..${seconds * 10}}; do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && exit; sleep 0.1; done; echo "the application does not listen on 127.0.0.1:${port}"; exit 1`

/** Script for `took`: waits until the application accepts connections, or answers its health path with status 200 to 399. */
export const answering = ({ port, path, host = 'localhost', seconds }: Health): Script =>
  path === undefined
    ? sh`
i=0; until timeout 1 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null; do
  [ $i -lt ${seconds * 10} ] || { echo "$unit does not listen on 127.0.0.1:${port}"; exit 1; }
  sleep 0.1; i=$((i+1))
done`
    : sh`
asked() { timeout 5 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" "$1" "$2" >&3 && head -n 1 <&3' bash ${path} ${host} 2>/dev/null | tr -d '\\r\\000' | head -c 100; }
end=$(($(date +%s)+${seconds})); until first=$(asked); case $first in 'HTTP/1.'?' '[23]??*) ;; *) false ;; esac; do
  [ "$(date +%s)" -lt "$end" ] || { printf '%s answers GET %s with %s\\n' "$unit" ${path} "\${first:-nothing}"; exit 1; }
  sleep 0.1
done`

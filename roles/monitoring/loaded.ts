import { type Script, sh } from 'provision'

/** Script that sends a GET request to a daemon of this host and prints the response. */
export const askHttp = (port: number, path: string): Script =>
  sh`timeout 10 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" "$1" >&3 && head -c 67108864 <&3' bash ${path} 2>/dev/null`

/** The same for a daemon that requires this client certificate. */
const askHttps = (port: number, path: string, certificate: string): Script =>
  sh`printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' ${path} | timeout 10 openssl s_client -quiet -connect 127.0.0.1:${port} -cert ${certificate} -key ${`${certificate}.key`} 2>/dev/null`

/** Script for `took`: waits until the daemon's metrics confirm a new configuration, because a reload by signal reports nothing. */
export const tookConfiguration = (port: number, metric: string): Script => confirmed(askHttp(port, '/metrics'), metric)

/** The same for a daemon that requires this client certificate. */
export const tookWithCertificate = (port: number, metric: string, certificate: string): Script =>
  confirmed(askHttps(port, '/metrics', certificate), metric)

const confirmed = (metrics: Script, metric: string): Script => sh`
since=$(($(date +%s) - 3)); i=0
until ${metrics} | awk -v since=$since ${`$1 == "${metric}_success_timestamp_seconds" { at = $2 } $1 == "${metric}_successful" { ok = $2 } END { exit !(ok == 1 && at >= since) }`}; do
  [ $i -lt 100 ] || { echo "$unit did not load its configuration"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

/** Script for `took`: waits until the daemon answers over HTTP. */
export const answering = (port: number, path = '/'): Script => sh`
i=0; until ${askHttp(port, path)} | head -n 1 | grep -q '^HTTP/1'; do
  [ $i -lt 100 ] || { echo "$unit does not answer at port ${port}"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

/** Script for `took`: waits until a program listens on the port. */
export const listening = (address: string, port: number): Script => sh`
i=0; until timeout 1 bash --norc -c ${`exec 3<>/dev/tcp/${address}/${port}`} 2>/dev/null; do
  [ $i -lt 100 ] || { echo "$unit does not listen on port ${port}"; exit 1; }
  sleep 0.1; i=$((i+1))
done`

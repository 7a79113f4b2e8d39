/** Asks a daemon of this host something over HTTP, and prints the answer. */
export const askHttp = (port: number, path: string): string =>
  `timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" "${path}" >&3 && head -c 67108864 <&3' 2>/dev/null`

/** For `took`: a signal is all that a reload is, so the daemon itself must say that it took its configuration, and when. */
export const tookConfiguration = (port: number, metric: string): string => `
since=$(($(date +%s) - 3)); i=0
until ${askHttp(port, '/metrics')} | awk -v since=$since '$1 == "${metric}_success_timestamp_seconds" { at = $2 } $1 == "${metric}_successful" { ok = $2 } END { exit !(ok == 1 && at >= since) }'; do
  [ $i -lt 100 ] || { echo "$unit did not take its configuration"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

/** For `took`: it answers. */
export const answering = (port: number, path = '/'): string => `
i=0; until ${askHttp(port, path)} | head -n 1 | grep -q '^HTTP/1'; do
  [ $i -lt 100 ] || { echo "$unit does not answer at port ${port}"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

/** For `took`: somebody listens there. */
export const listening = (address: string, port: number): string => `
i=0; until timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null; do
  [ $i -lt 100 ] || { echo "$unit does not listen on port ${port}"; exit 1; }
  sleep 0.1; i=$((i+1))
done`

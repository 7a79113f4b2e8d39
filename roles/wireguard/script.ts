import type { Member } from './members.ts'
import type { Options } from './options.ts'

/** Directory of the digest of the loaded peers. */
export const RUNTIME = 'provision-wireguard'

/**
 * Script that creates the interface, loads its peers, and deletes it. The private key goes to wg on standard input. The digest is that of the
 * bytes that were loaded, not of the file at another moment.
 */
export const meshScript = (given: Options, { address = '' }: Member): string => {
  const { interface: name, port, mtu, network, userspace } = given
  const length = network.split('/')[1]
  const create = userspace
    ? `i=0; until [ -S /run/wireguard/${name}.sock ]; do
      [ $i -lt 100 ] || { echo 'wireguard-go does not answer' >&2; exit 1; }
      sleep 0.1; i=$((i+1))
    done`
    : `ip link delete dev ${name} 2>/dev/null || :
    ip link add dev ${name} type wireguard`
  return `#!/bin/sh
# Written by provision. Creates the interface of the mesh, loads its peers, or deletes it.
set -eu
umask 077

# "setconf" for a new interface; "syncconf" keeps the sessions of peers that stay.
load() {
  peers=$(cat /etc/wireguard/${name}.peers)
  { printf '[Interface]\\nListenPort = ${port}\\nPrivateKey = '; cat /etc/wireguard/${name}.key; printf '%s\\n' "$peers"; } | wg "$1" ${name} /dev/stdin
  digest=$(printf '%s\\n' "$peers" | sha256sum)
  printf '%s\\n' "\${digest%% *}" >/run/${RUNTIME}/${name}.loaded
}

case $1 in
  up)
    ${create}
    load setconf
    ip address add ${address}/${length}${address.includes(':') ? ' nodad' : ''} dev ${name}
    ip link set dev ${name} mtu ${mtu} up
    ;;
  reload) load syncconf ;;
  down) ${userspace ? ':' : `ip link delete dev ${name} 2>/dev/null || :`} ;;
esac
`
}

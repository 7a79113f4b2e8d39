/**
 * The keeper of one host: a script that outlives the command that started it, and starts the host again after a reboot. Each boot gets a new
 * network namespace, mounts and cgroup, because an old namespace would keep its nft rules. All of them end with the host's processes.
 */
export const KEEP = `#!/bin/sh
set -eu
enter() { for group in $LAB_GROUPS; do mkdir -p "$group/$1"; echo 0 > "$group/$1/cgroup.procs"; done; }

if [ "\${1:-}" != boot ]; then
  enter keeper
  while :; do
    status=0
    unshare --mount --net sh "$0" boot || status=$?
    for group in $LAB_GROUPS; do
      find "$group/machine" -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
    # systemd-nspawn's way to say that the host wants to be booted again
    [ "$status" = 133 ] || exit "$status"
  done
fi

enter machine
cd "$LAB_HOST_STATE"
mount -t overlay -o "lowerdir=$LAB_IMAGE,upperdir=$PWD/upper,workdir=$PWD/work" overlay root
# its locks and mount points die with this mount namespace
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
ip link set lo up
# The kernel takes its time to end the wire of a host whose power was cut.
ip -n "$LAB_SWITCH" link delete "$LAB_PORT" 2>/dev/null || :
ip link add eth0 address "$LAB_MAC" type veth peer name "$LAB_PORT" netns "$LAB_SWITCH"
ip -n "$LAB_SWITCH" link set "$LAB_PORT" master bridge addrgenmode none up
for address in $LAB_ADDRESSES; do
  case $address in
    *:*) ip address add "$address" dev eth0 nodad ;;
    *) ip address add "$address" dev eth0 ;;
  esac
done
ip link set eth0 up
for gateway in $LAB_GATEWAYS; do ip route add default via "$gateway" dev eth0; done
echo 0 > /proc/sys/net/ipv4/ip_forward

export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_TMPFS_TMP=0
exec systemd-nspawn --quiet --keep-unit --register=no --link-journal=no --resolv-conf=off --timezone=off \\
  --network-namespace-path=/proc/self/ns/net --capability=CAP_NET_ADMIN --rlimit=RLIMIT_NOFILE=1024:524288 --machine="$LAB_MACHINE" --hostname="$LAB_HOST" \\
  --directory="$PWD/root" --console=pipe --boot
`

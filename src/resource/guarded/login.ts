import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { parentOf } from '../kind/path.ts'
import { type Answer, HostRefusal } from '../kind/step.ts'

const SHUT_OUT = 72

/** Words that the account prints by a login, and by a root shell. */
const [LOGGED_IN, BECAME_ROOT] = ['provision-logged-in', 'provision-became-root']

/**
 * Runs in mount and network namespaces of its own, with the directory of new files as its argument, or an empty one. The network has the
 * addresses of the present connection, and nothing else, so that `Match` blocks and tcp wrappers see them. sshd accepts a key made for
 * this login; its settings, PAM and sudo decide the rest.
 */
const TRY = `
[ -z "$1" ] || mount -t overlay overlay -o "lowerdir=$1:/etc" /etc || exit
mount -t tmpfs -o mode=755 none /run/sshd && cp "$work/key.pub" /run/sshd/ && chmod 644 /run/sshd/key.pub || exit
case $server in *:*) bits=128 ;; *) bits=32 ;; esac
ip link set lo up || exit
for address in "$server" "$client"; do ip addr replace "$address/$bits" dev lo || exit; done
echo bound
/usr/sbin/sshd -D -e -o PidFile=none -o LogLevel=INFO -o AuthorizedKeysFile=/run/sshd/key.pub 2>"$work/log" & daemon=$!
i=0; until grep -q '^Server listening' "$work/log" || ! kill -0 "$daemon" || [ $i -ge 100 ]; do i=$((i+1)); sleep 0.1; done
i=0; until ssh -F none -i "$work/key" -b "$client" -p "$port" -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none \
  -o PreferredAuthentications=publickey -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10 \
  "$account@$server" "$asked" 2>"$work/stderr"
do grep -q 'Connection refused' "$work/stderr" && kill -0 "$daemon" && [ $i -lt 5 ] || break; i=$((i+1)); sleep 0.1; done
kill "$daemon"; :`

/** Lines of the log of sshd that give no reason. */
const NO_REASON = '^(Server listening|Accepted |Received (disconnect|signal)|Disconnected from)'

/**
 * Tries the login of this run on copies, before new files below /etc go live: sshd, PAM and sudo with the new files, mounted over the real
 * ones in a separate namespace. The account must be able to do what it can do with the present files. It takes half a second. Nothing is
 * tried where the host cannot do this: without namespaces or the client of ssh, or if the present files do not admit a key alone.
 * `layOver` is a script that writes the new files below `"$work/new"`.
 */
export const tryLogin = (files: readonly { readonly path: string; readonly isAbsent: boolean }[], layOver: Script): Script => {
  const directories = [...new Set(files.map(({ path }) => parentOf(path).slice('/etc'.length)))]
  const absent = files.filter(({ isAbsent }) => isAbsent).map(({ path }) => path)
  return sh`
( work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
umask 022
mkdir -p "$work/new" || exit 1
for directory in ${directories}; do [ ! -d "/etc$directory" ] || mkdir -p "$work/new$directory" || exit 1; done
${layOver} || exit
set -- \${connection-}; [ $# = 4 ] || exit 0
for path in ${absent}; do
  [ ! -e "$path" ] || mknod "$work/new\${path#/etc}" c 0 0 || exit 1
done
for program in sshd ssh ssh-keygen unshare ip; do command -v "$program" >/dev/null || exit 0; done
export work client="$1" server="$3" port="$4" account="\${SUDO_USER:-root}" asked=${`echo ${LOGGED_IN}; sudo -n sh -c "echo ${BECAME_ROOT}"`}
[ "$account" != root ] || asked=${`echo ${LOGGED_IN}; echo ${BECAME_ROOT}`}
mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f "$work/key" </dev/null || exit 0
try() { timeout -k 5 30 unshare -m -n sh -c ${TRY} sh "$1" 2>/dev/null </dev/null; }
after=$(try "$work/new")
case $after in *${BECAME_ROOT}*) exit 0 ;; bound*) ;; *) exit 0 ;; esac
cat "$work/log" "$work/stderr" | grep -vE ${NO_REASON} >"$work/why"
! grep -q '^Server listening' "$work/log" || ! grep -q 'Connection refused' "$work/stderr" || echo "sshd would not accept connections at $server port $port" >"$work/why"
before=$(try '')
for right in ${LOGGED_IN} ${BECAME_ROOT}; do
  case $before in *"$right"*) case $after in *"$right"*) ;; *) { echo "$account"; tail -n 5 "$work/why"; } >&2; exit ${SHUT_OUT} ;; esac ;; esac
done ) || exit`
}

/** Throws a `HostRefusal` if the login failed with the new files. */
export const requireLogin = (answer: Answer, paths: readonly string[], done: readonly string[]): void => {
  if (answer.code !== SHUT_OUT) return
  const [account, ...why] = answer.stderr.trim().split('\n')
  throw new HostRefusal(
    `${paths.join(', ')} would shut out ${account}, the account that this run uses`,
    why.join('\n') || 'a login with the new content fails, and one with the present content does not',
    'correct the content, or set `user` in the inventory to another account first; nothing was changed',
    { done },
  )
}

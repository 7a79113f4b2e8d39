import { quote } from '../../shell/quote.ts'
import { commitConfirm } from '../guarded/commit-confirm.ts'
import type { Trial } from '../guarded/trial.ts'
import type { Work } from '../kind/kind.ts'
import { STAMPS } from '../kind/stamp.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { obstacleTo, SSHD_CONFIG, type SshdState, trialSlug, UNIT } from './observe.ts'
import { DROP_INS, type SshdSpec } from './spec.ts'

/**
 * Validates the settings at the path where sshd reads them, and keeps them only if a new connection confirms them. Until then they are
 * mounted over the file, so a boot at any moment finds the old one.
 */
export function* applySettings(work: readonly Work<SshdSpec, SshdState>[]): Steps {
  for (const { spec, state } of work) {
    const obstacle = obstacleTo(spec, state)
    if (obstacle !== undefined)
      throw new HostRefusal(
        'sshd settings would have no effect',
        obstacle,
        `add "Include ${DROP_INS}/*.conf" as the first line of ${SSHD_CONFIG}; provision does not change that file`,
      )
    yield* commitConfirm(trialOf(spec), Buffer.from(spec.text))
  }
}

const trialOf = (spec: SshdSpec): Trial => ({
  slug: trialSlug(spec),
  field: 'sshd',
  what: 'settings',
  confirmSeconds: spec.confirmSeconds,
  prepare: prepareScript(spec),
  load: loadScript(spec),
  undo: undoScript(spec),
  keep: keepScript(spec),
  fix: {
    refused: 'correct the settings that sshd reports; the old settings are still active',
    lockedOut: 'allow the controller’s user to log in with its key, its algorithms and a host key that it knows',
  },
})

/**
 * Runs the checks of sshd with the new file in a private copy of the directory. Then it verifies that every one of our values, as sshd
 * normalizes it, is among its effective values.
 */
const prepareScript = ({ path, settings }: SshdSpec): string => `f=${quote(path)} c="$run.conf.$nonce" w=$(mktemp -d "$T/XXXXXXXX") || exit
cat >"$c" && chmod 644 "$c" && mkdir -p -m 755 ${DROP_INS} /run/sshd || exit
{ [ ! -e "$f" ] || [ -f "$f" ]; } && [ ! -L "$f" ] || { echo "$f is there and is no file: move it away" >&2; exit 1; }
cp -a ${DROP_INS}/. "$w" && cp "$c" "$w/\${f##*/}" || exit
unshare -m sh -c 'mount --bind "$1" ${DROP_INS} || { echo "this host allows no mounts (CAP_SYS_ADMIN), and so no change of sshd that can be taken back" >&2; exit 1; }
/usr/sbin/sshd -t && exec /usr/sbin/sshd -T' sh "$w" >"$w.all" && /usr/sbin/sshd -T -f "$c" >"$w.ours" && /usr/sbin/sshd -T -f /dev/null >"$w.none" || exit
{ grep -vxF -f "$w.none" "$w.ours"; grep -iE '^(${Object.keys(settings).join('|')}) ' "$w.ours"; } | grep -vxF -f "$w.all" | sort -u >"$w.lost"
if [ -s "$w.lost" ]; then
  while read -r k v; do echo "another file comes first: sshd would have \\"$(grep -m 1 "^$k " "$w.all" || echo "no $k")\\", not \\"$k $v\\""; done <"$w.lost" >&2
  exit 1
fi`

// Uses the mount namespace of the host: sshd, and with it this shell, may have been started in another.
const mounts = `on_host() { nsenter -t 1 -m -- "$@"; }
uncover() { while on_host umount -l "$f" 2>/dev/null; do :; done; }`

/**
 * A running daemon reloads by executing itself again, a moment after systemd reports success. Until then it accepts logins under the old
 * settings, so the script waits for the new process image. A daemon started by a systemd socket would lose that socket (Debian 12:
 * "Cannot bind any address") and is restarted instead. Open connections survive, because the unit has KillMode=process.
 */
const reload = `image() { cksum <"/proc/$1/auxv"; }
reload() {
  now=$(systemctl show -P ActiveState ${UNIT})
  if systemctl is-active -q ssh.socket; then
    case $now in active|reloading) systemctl restart ${UNIT} ;; esac; return
  fi
  case $now in
    failed|activating) systemctl reset-failed ${UNIT}; systemctl restart ${UNIT}; return ;;
    inactive) echo 'neither ${UNIT} nor ssh.socket runs: sshd cannot load new settings' >&2; return 1 ;;
  esac
  pid=$(systemctl show -P MainPID ${UNIT}); was=$(image "$pid"); i=0
  systemctl reload ${UNIT} || { journalctl -u ${UNIT} -n 5 -q -o cat --no-pager >&2; return 1; }
  while [ "$(image "$pid" 2>/dev/null)" = "$was" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
  systemctl is-active -q ${UNIT}
}`

// A mount needs an existing file; an empty one has no effect.
const loadScript = ({ path }: SshdSpec): string => `f=${quote(path)} c="$run.conf.$nonce"
${mounts}
${reload}
[ -e "$f" ] || ( umask 022; : >"$f" ) || exit
uncover
on_host mount --bind "$c" "$f" || exit
cmp -s "$c" "$f" || { echo 'sshd runs in a separate mount namespace and does not see the new settings' >&2; exit 1; }
reload`

const undoScript = ({ path }: SshdSpec): string => `f=${quote(path)}
${mounts}
${reload}
uncover
[ -s "$f" ] || rm -f "$f"
reload`

// The stamp records what sshd has loaded, as for services.
const keepScript = ({ path }: SshdSpec): string => {
  const stamp = `${STAMPS}/${UNIT}`
  return `f=${quote(path)} n=${quote(`${path}.provision-new`)}
${mounts}
cp "$run.conf.$nonce" "$n"; chmod 644 "$n"; sync "$n"
uncover
mv -f "$n" "$f"; sync ${DROP_INS}
mkdir -p ${STAMPS}
{ systemctl show -P StateChangeTimestampMonotonic ${UNIT}; sha256sum ${SSHD_CONFIG} ${DROP_INS}/*.conf; } >${stamp}.new
mv -f ${stamp}.new ${stamp}`
}

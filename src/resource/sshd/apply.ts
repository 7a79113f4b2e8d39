import { quote } from '../../shell/quote.ts'
import { commitConfirm } from '../guarded/commit-confirm.ts'
import type { Trial } from '../guarded/trial.ts'
import type { Work } from '../kind/kind.ts'
import { STAMPS } from '../kind/stamp.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { obstacleTo, SSHD_CONFIG, type SshdState, trialSlug, UNIT } from './observe.ts'
import { DROP_INS, type SshdSpec } from './spec.ts'

/**
 * Checks the settings in the place where sshd will read them, and keeps them only if a new connection comes in under them. Until
 * then they are mounted over the file, so that a boot at any moment finds the old one.
 */
export function* applySettings(work: readonly Work<SshdSpec, SshdState>[]): Steps {
  for (const { spec, state } of work) {
    const obstacle = obstacleTo(spec, state)
    if (obstacle !== undefined)
      throw new HostRefusal(
        'sshd would not follow these settings',
        obstacle,
        `put "Include ${DROP_INS}/*.conf" into the first line of ${SSHD_CONFIG}; that file is yours, so it was left alone`,
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
    refused: 'correct them as sshd says; the old settings are still in force',
    lockedOut: 'let the controller’s user log in with its key, by algorithms and a host key that it knows',
  },
})

/**
 * sshd's own checks, with the new file in a copy of the directory that only they see. Then every value of ours, as sshd writes it
 * when it reads nothing else, must be among those that it would really have.
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

// The host's own mounts, whatever namespace sshd and with it this shell may have been started in.
const mounts = `on_host() { nsenter -t 1 -m -- "$@"; }
uncover() { while on_host umount -l "$f" 2>/dev/null; do :; done; }`

/**
 * A daemon that runs reads its files again by executing itself anew, a moment after systemd says that it is done. Until then it would
 * let people in under its old settings, so the new image is waited for. One that a socket of systemd has started loses that socket so
 * (seen on Debian 12: "Cannot bind any address"), and is started anew; connections at hand stay, as the unit has KillMode=process.
 */
const reload = `image() { cksum <"/proc/$1/auxv"; }
reload() {
  now=$(systemctl show -P ActiveState ${UNIT})
  if systemctl is-active -q ssh.socket; then
    case $now in active|reloading) systemctl restart ${UNIT} ;; esac; return
  fi
  case $now in
    failed|activating) systemctl reset-failed ${UNIT}; systemctl restart ${UNIT}; return ;;
    inactive) echo 'neither ${UNIT} nor ssh.socket runs: sshd cannot be told of new settings' >&2; return 1 ;;
  esac
  pid=$(systemctl show -P MainPID ${UNIT}); was=$(image "$pid"); i=0
  systemctl reload ${UNIT} || { journalctl -u ${UNIT} -n 5 -q -o cat --no-pager >&2; return 1; }
  while [ "$(image "$pid" 2>/dev/null)" = "$was" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
  systemctl is-active -q ${UNIT}
}`

// A file to mount over has to be there; an empty one means the same as none.
const loadScript = ({ path }: SshdSpec): string => `f=${quote(path)} c="$run.conf.$nonce"
${mounts}
${reload}
[ -e "$f" ] || ( umask 022; : >"$f" ) || exit
uncover
on_host mount --bind "$c" "$f" || exit
cmp -s "$c" "$f" || { echo 'sshd was started with mounts of its own, and does not see the new settings' >&2; exit 1; }
reload`

const undoScript = ({ path }: SshdSpec): string => `f=${quote(path)}
${mounts}
${reload}
uncover
[ -s "$f" ] || rm -f "$f"
reload`

// The stamp says what sshd has loaded, as it does for services.
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

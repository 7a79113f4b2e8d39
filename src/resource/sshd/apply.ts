import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { commitConfirm } from '../guarded/commit-confirm.ts'
import type { Trial } from '../guarded/trial.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { NO_FILE } from '../kind/queries.ts'
import { STAMPS } from '../kind/stamp.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
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
    yield* commitConfirm(trialOf(spec, state), Buffer.from(spec.text))
  }
}

const trialOf = (spec: SshdSpec, state: SshdState): Trial => ({
  slug: trialSlug(spec),
  field: 'sshd',
  what: 'settings',
  confirmSeconds: spec.confirmSeconds,
  prepare: sh`${compareScript(spec, state)}\n${prepareScript(spec)}`,
  load: loadScript(spec),
  undo: undoScript(spec),
  keep: keepScript(spec),
  fix: {
    refused: 'correct the settings that sshd reports; the old settings are still active',
    lockedOut: 'allow the controller’s user to log in with its key, its algorithms and a host key that it knows',
  },
})

/** Runs in a separate mount namespace, with the directory of the drop-ins as its argument. */
const CHECK = sh`mount --bind "$1" ${DROP_INS} || { echo "this host does not permit mounts (CAP_SYS_ADMIN), so a change of sshd could not be rolled back" >&2; exit 1; }
/usr/sbin/sshd -t && exec /usr/sbin/sshd -T`

/** Refuses a link, and a file that somebody changed since the observation. */
const compareScript = ({ path, sha256 }: SshdSpec, state: SshdState): Script => sh`file=${path} now=absent
{ [ ! -e "$file" ] || [ -f "$file" ]; } && [ ! -L "$file" ] || { echo "$file exists and is not a regular file: move it away" >&2; exit 1; }
[ ! -e "$file" ] || { now=$(sha256sum <"$file"); now=\${now%% *}; }
[ "$now" = ${state.inode === ABSENT ? ABSENT : (state.sha256 ?? NO_FILE)} ] || [ "$now" = ${sha256} ] || { echo "$file is not as it was observed" >&2; exit ${CHANGED}; }`

/**
 * Runs the checks of sshd with the new file in a private copy of the directory. Then it verifies that every one of our values, as sshd
 * normalizes it, is among its effective values.
 */
const prepareScript = ({
  path,
  settings,
}: SshdSpec): Script => sh`file=${path} new="$run.conf.$nonce" work=$(mktemp -d "$T/XXXXXXXX") || exit
cat >"$new" && chmod 644 "$new" && mkdir -p -m 755 ${DROP_INS} /run/sshd || exit
cp -a ${DROP_INS}/. "$work" && cp "$new" "$work/\${file##*/}" || exit
unshare -m sh -c ${String(CHECK)} sh "$work" >"$work.all" && /usr/sbin/sshd -T -f "$new" >"$work.ours" && /usr/sbin/sshd -T -f /dev/null >"$work.none" || exit
{ grep -vxF -f "$work.none" "$work.ours"; grep -iE ${`^(${Object.keys(settings).join('|')}) `} "$work.ours"; } | grep -vxF -f "$work.all" | sort -u >"$work.lost"
if [ -s "$work.lost" ]; then
  while read -r key value; do
    printf '%s\\n' "another file has precedence: sshd would use \\"$(grep -m 1 "^$key " "$work.all" || echo "no $key")\\", not \\"$key $value\\""
  done <"$work.lost" >&2
  exit 1
fi`

// Uses the mount namespace of the host: sshd, and with it this shell, may have been started in another.
const mounts = sh`on_host() { nsenter -t 1 -m -- "$@"; }
uncover() { while on_host umount -l "$file" 2>/dev/null; do :; done; }`

/**
 * A running daemon reloads by executing itself again, a moment after systemd reports success. Until then it accepts logins under the old
 * settings, so the script waits for the new process image. A daemon started by a systemd socket would lose that socket (Debian 12:
 * "Cannot bind any address") and is restarted instead. Open connections survive, because the unit has KillMode=process.
 */
const reload = sh`image() { cksum <"/proc/$1/auxv"; }
reload() {
  now=$(systemctl show -P ActiveState ${UNIT})
  if systemctl is-active -q ssh.socket; then
    case $now in active|reloading) systemctl restart ${UNIT} ;; esac; return
  fi
  case $now in
    failed|activating) systemctl reset-failed ${UNIT}; systemctl restart ${UNIT}; return ;;
    inactive) echo ${`neither ${UNIT} nor ssh.socket runs: sshd cannot load new settings`} >&2; return 1 ;;
  esac
  pid=$(systemctl show -P MainPID ${UNIT}); was=$(image "$pid"); i=0
  systemctl reload ${UNIT} || { journalctl -u ${UNIT} -n 5 -q -o cat --no-pager >&2; return 1; }
  while [ "$(image "$pid" 2>/dev/null)" = "$was" ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
  systemctl is-active -q ${UNIT}
}`

// A mount needs an existing file; an empty one has no effect.
const loadScript = ({ path }: SshdSpec): Script => sh`file=${path} new="$run.conf.$nonce"
${mounts}
${reload}
[ -e "$file" ] || ( umask 022; : >"$file" ) || exit
uncover
on_host mount --bind "$new" "$file" || exit
cmp -s "$new" "$file" || { echo 'sshd runs in a separate mount namespace and does not see the new settings' >&2; exit 1; }
reload`

const undoScript = ({ path }: SshdSpec): Script => sh`file=${path}
${mounts}
${reload}
uncover
[ -s "$file" ] || rm -f "$file"
reload`

// The stamp records what sshd has loaded, as for services.
const keepScript = ({ path }: SshdSpec): Script => {
  const stamp = `${STAMPS}/${UNIT}`
  return sh`file=${path} new=${`${path}.provision-new`}
${mounts}
cp "$run.conf.$nonce" "$new"; chmod 644 "$new"; sync "$new"
uncover
mv -f "$new" "$file"; sync ${DROP_INS}
mkdir -p ${STAMPS}
{ systemctl show -P StateChangeTimestampMonotonic ${UNIT}; sha256sum ${SSHD_CONFIG} ${DROP_INS}/*.conf; } >${stamp}.new
mv -f ${stamp}.new ${stamp}`
}

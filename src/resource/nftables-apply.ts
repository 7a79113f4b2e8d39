import { randomBytes } from 'node:crypto'
import { sha256Hex } from './content.ts'
import { Refused, type Steps, succeeded, type Work } from './kind.ts'
import type { NftablesSpec } from './nftables.ts'
import { bootFileOf, idOf, type SeenTable, STATE, slugOf } from './nftables-seen.ts'

/** What only the present boot needs: the new text, and the old rules to go back to. */
const RUN = '/run/provision/nftables'

/**
 * Loads new rules and keeps them only if a new connection comes in through them. A mark with this change's nonce lies on the
 * host until then. Whoever renames it has decided: the new connection (confirmed), or the host's timer (taken back).
 */
export const applyTable = function* (work: readonly Work<NftablesSpec, SeenTable>[]): Steps {
  for (const { spec } of work) {
    const nonce = randomBytes(8).toString('hex')
    succeeded(
      yield { do: 'shell', script: armScript(spec, nonce), input: Buffer.from(spec.text), doing: 'checking the new firewall rules' },
      'the new rules were not loaded',
      'correct them as nft says; the old rules are still in force',
    )
    succeeded(
      yield { do: 'shell', script: loadScript(spec, nonce), doing: 'loading the new firewall rules' },
      'the new rules were not loaded',
      'the old rules are in force again',
    )
    const confirmed = yield { do: 'reconnect', script: confirmScript(spec, nonce), withinMs: (spec.confirmSeconds - 2) * 1000 }
    if (confirmed.code !== 0) {
      throw new Refused(
        'the new rules were taken back: nobody could come in through them',
        confirmed.stderr.trim() || `no new connection came about within ${spec.confirmSeconds - 2} seconds`,
        `let the controller in on the port of sshd; the host has its old rules again ${spec.confirmSeconds} seconds after they were loaded`,
      )
    }
    succeeded(
      yield { do: 'shell', script: keepScript(spec, nonce), doing: 'keeping the new firewall rules for the next boot' },
      'the new rules are in force, but could not be kept for the next boot',
    )
  }
}

const unitOf = (nonce: string): string => `provision-nftables-${nonce}`
const pendingOf = (spec: NftablesSpec, nonce = ''): string => `${STATE}/${slugOf(spec)}.pending.${nonce}`
const confirmedOf = (spec: NftablesSpec, nonce = ''): string => `${STATE}/${slugOf(spec)}.confirmed.${nonce}`
const oldOf = (spec: NftablesSpec): string => `${RUN}/${slugOf(spec)}.old.nft`
const newOf = (spec: NftablesSpec): string => `${RUN}/${slugOf(spec)}.new.nft`
const undoOf = (spec: NftablesSpec, nonce: string): string => `${RUN}/${slugOf(spec)}.undo.${nonce}`

// While an earlier change of this boot is not confirmed, what is in force is that change; the rules to go back to were saved by it.
const armScript = (spec: NftablesSpec, nonce: string): string => {
  const [id, old, pending] = [idOf(spec), oldOf(spec), pendingOf(spec)]
  return `umask 077; mkdir -p ${RUN} ${STATE}
cat >${newOf(spec)}
command -v nft >/dev/null || { echo 'nft is not installed' >&2; exit 1; }
nft -c -f ${newOf(spec)} || exit
read -r boot </proc/sys/kernel/random/boot_id
tables=$(nft list tables) || exit
there=; printf '%s\\n' "$tables" | grep -Fxq 'table ${id}' && there=1
saved=; for p in ${pending}*; do [ -e "$p" ] && read -r x <"$p" && [ "$x" = "$boot" ] && [ -e ${old} ] && saved=1; done
if [ -z "$saved" ]; then
  { printf 'table ${id}\\ndelete table ${id}\\n'; [ -z "$there" ] || nft -s list table ${id}; } >${old}.new || exit
  nft -c -f ${old}.new || cp ${bootFileOf(spec)} ${old}.new || { echo 'the old rules could not be saved, so there would be no way back' >&2; exit 1; }
  mv -f ${old}.new ${old} || exit
fi
cat >${undoOf(spec, nonce)} <<'END'
${undoScript(spec, nonce)}
END
systemd-run -q --collect --unit=${unitOf(nonce)} --on-active=${spec.confirmSeconds}s --timer-property=AccuracySec=200ms /bin/sh ${undoOf(spec, nonce)} || exit
printf '%s\\n' "$boot" >${pendingOf(spec, nonce)} || exit
for p in ${pending}*; do [ "$p" = ${pendingOf(spec, nonce)} ] || rm -f "$p"; done
${trackScript(id)}`
}

// The first rules of a host find its connections unknown to the kernel's tracking, ours too. An open table that only tracks makes
// them known with the next packets, so that the rules themselves can let established connections go on.
const trackScript = (id: string): string => `[ "$there" ] || nft -f - <<'END'
table ${id} {
  chain track { type filter hook input priority 0; policy accept; ct state established,related accept; }
}
END`

const undoScript = (spec: NftablesSpec, nonce: string): string => `# Puts the old rules back, unless the new ones were confirmed.
mv ${pendingOf(spec, nonce)} ${STATE}/${slugOf(spec)}.undoing.${nonce} 2>/dev/null || exit 0
nft -f ${oldOf(spec)}; c=$?
date -u +%Y-%m-%dT%H:%M:%SZ >${STATE}/${slugOf(spec)}.rolled-back
rm -f ${STATE}/${slugOf(spec)}.undoing.${nonce}
exit "$c"`

const loadScript = (spec: NftablesSpec, nonce: string): string => `umask 077
nft -f ${newOf(spec)} && nft -s list table ${idOf(spec)} >${STATE}/${slugOf(spec)}.live.${nonce} && exit
c=$?; sh ${undoOf(spec, nonce)}; rm -f ${STATE}/${slugOf(spec)}.rolled-back; exit "$c"`

// An answer can be lost on its way, so a change that this nonce has confirmed already is confirmed.
const confirmScript = (spec: NftablesSpec, nonce: string): string => `mv ${pendingOf(spec, nonce)} ${confirmedOf(spec, nonce)} 2>/dev/null
if [ -e ${confirmedOf(spec, nonce)} ]; then systemctl stop ${unitOf(nonce)}.timer; exit 0; fi
echo 'the host had already put its old rules back' >&2; exit 1`

const keepScript = (spec: NftablesSpec, nonce: string): string => {
  const [boot, state] = [bootFileOf(spec), `${STATE}/${slugOf(spec)}`]
  const digest = sha256Hex(spec.text)
  return `set -e; umask 022
mkdir -p /etc/provision/nftables; cp ${newOf(spec)} ${boot}.new; sync ${boot}.new; mv -f ${boot}.new ${boot}; sync /etc/provision/nftables
umask 077; mv -f ${state}.live.${nonce} ${state}.live
printf '%s\\n' ${digest} >${state}.stamp.new; mv -f ${state}.stamp.new ${state}.stamp
rm -f ${confirmedOf(spec)}* ${state}.live.* ${state}.rolled-back ${RUN}/${slugOf(spec)}.*; sync ${STATE}`
}

import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import { commitConfirm } from '../guarded/commit-confirm.ts'
import type { Trial } from '../guarded/trial.ts'
import { sha256Hex } from '../kind/content.ts'
import type { Work } from '../kind/kind.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { bootFileOf, idOf, type TableState, trialSlug } from './observe.ts'
import type { NftablesSpec } from './spec.ts'

/** Loads new rules and keeps them only if a new connection confirms them. */
export const applyTable = function* (work: readonly Work<NftablesSpec, TableState>[]): Steps {
  for (const { spec, state } of work) yield* commitConfirm(trialOf(spec, state), Buffer.from(spec.text))
}

const trialOf = (spec: NftablesSpec, state: TableState): Trial => ({
  slug: trialSlug(spec),
  field: 'firewall',
  what: 'rules',
  confirmSeconds: spec.confirmSeconds,
  prepare: prepareScript(spec, state),
  armed: trackScript(idOf(spec)),
  load: sh`nft -f "$run.new.nft" && nft -s list table ${[spec.family, spec.table]} >"$state.live.$nonce"`,
  undo: sh`nft -f "$run.old.nft"`,
  keep: keepScript(spec),
  fix: {
    refused: 'correct the rules that nft reports; the old rules are still active',
    lockedOut: 'add a rule that accepts the controller on the port of sshd',
  },
})

// The elements of sets change with every packet. nft prints them on one line, or on several.
const ELEMENTS = '/^\t\telements = {.*}/d;/^\t\telements = {/,/}/d'
const withoutElements = (listing: string): string => listing.replace(/^\t\telements = \{[^}]*\}.*\n/gm, '')

// If an earlier change of this boot is unconfirmed, it is active, and the rules to restore were saved by it.
const prepareScript = (spec: NftablesSpec, { live }: TableState): Script => {
  const id = idOf(spec)
  return sh`cat >"$run.new.nft" || exit
command -v nft >/dev/null || { echo 'nft is missing on this host: install the package nftables' >&2; exit 1; }
nft -c -f "$run.new.nft" || exit
tables=$(nft list tables) || exit
there=; printf '%s\\n' "$tables" | grep -Fxq ${`table ${id}`} && there=1
now=; [ -z "$there" ] || now=$(nft -s list table ${[spec.family, spec.table]} | sed ${ELEMENTS} | sha256sum)
[ "$now" = ${live === undefined ? '' : `${sha256Hex(withoutElements(live))}  -`} ] || { echo ${`table ${id} is not as it was observed`} >&2; exit ${CHANGED}; }
if [ -z "$saved" ] || [ ! -e "$run.old.nft" ]; then
  { printf ${`table ${id}\\ndelete table ${id}\\n`} && { [ -z "$there" ] || nft -s list table ${[spec.family, spec.table]}; }; } >"$run.old.new" || exit
  nft -c -f "$run.old.new" || cp ${bootFileOf(spec)} "$run.old.new" || { echo 'the old rules could not be saved, so they could not be restored' >&2; exit 1; }
  mv -f "$run.old.new" "$run.old.nft" || exit
fi`
}

// The connection tracking of a host without rules does not know existing connections, ours included. An open table that only tracks
// registers them with their next packets, so that the rules can accept established connections.
const trackScript = (id: string): Script =>
  sh`[ "$there" ] || nft -f - ${hereDocument(`table ${id} {
  chain track { type filter hook input priority 0; policy accept; ct state established,related accept; }
}`)}`

const keepScript = (spec: NftablesSpec): Script => {
  const boot = bootFileOf(spec)
  return sh`umask 022
mkdir -p /etc/provision/nftables; cp "$run.new.nft" ${boot}.new; sync ${boot}.new; mv -f ${boot}.new ${boot}; sync /etc/provision/nftables
umask 077; sync "$state.live.$nonce"; mv -f "$state.live.$nonce" "$state.live"
printf '%s\\n' ${sha256Hex(spec.text)} >"$state.stamp.new"; sync "$state.stamp.new"; mv -f "$state.stamp.new" "$state.stamp"
rm -f "$state".live.*`
}

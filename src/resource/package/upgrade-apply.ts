import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { type Answer, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { aptFunctions } from './apt-functions.ts'
import { listsAreOld, transactionOptions } from './simulate.ts'
import { OPENING, PREAMBLE, WAIT_LIMIT, whileBusy } from './transaction.ts'
import { type UpgradeSpec, type UpgradeState, upgradeArguments, wanted } from './upgrade-spec.ts'

type UpgradeWork = Work<UpgradeSpec, UpgradeState>

/** Upgrades packages, one resource after the other. */
export function* applyUpgrades(work: readonly UpgradeWork[]): Steps {
  // A release upgrade of a slow host takes longer than the half hour of other steps.
  for (const one of work)
    check(one, yield* whileBusy({ do: 'shell', script: scriptOf(one), doing: 'upgrading packages', installs: true, withinMs: 7_200_000 }))
}

const check = (one: UpgradeWork, answer: Answer): void => {
  if (answer.code === CHANGED) requireBatch(answer, [one], { what: () => 'packages not upgraded' })
  const cause = (name: string): string | undefined =>
    new RegExp(`^provision-cause: ${name} ?(.*)$`, 'm').exec(answer.stdout.toString())?.[1]
  const full = cause('full')
  if (full !== undefined && /No space left on device|enough free space/.test(answer.stderr))
    requireSuccess(answer, `${full} is full`, `free space on ${full}; the next run finishes the upgrade`)
  if (cause('unfetched') !== undefined)
    requireSuccess(answer, 'package lists not fetched', "check the host's network, name resolution and /etc/apt/sources.list*")
  requireSuccess(answer, 'apt failed', 'fix the problem that apt reports, then run again; the next run continues the upgrade')
}

/** Function `pending`: prints `NAME=VERSION` of each upgrade, as apt plans it now. */
const pendingFunction = (spec: UpgradeSpec): Script => sh`pending() {
  apt-get -s ${transactionOptions(false)} ${upgradeArguments(spec)} >"$work/simulated" 2>&1 || { cat "$work/simulated" >&2; exit 1; }
  sed -n ${spec.packages === 'all' ? String.raw`s/^Inst \([^ ]*\) \(\[[^]]*\] \)\{0,1\}(\([^ ]*\) .*/\1=\3/p` : String.raw`/[-/: ][Ss]ecurity/s/^Inst \([^ ]*\) \[[^]]*\] (\([^ ]*\) .*/\1=\2/p`} "$work/simulated"
}`

const scriptOf = ({ id, spec, state, change }: UpgradeWork): Script => {
  const planned = wanted(spec, state).map(({ name, to }) => `${name}=${to}`)
  const isExact = change.certainty === 'exact'
  return sh`${PREAMBLE}
${listsAreOld(Math.floor(spec.cacheHours * 60))}
${aptFunctions(WAIT_LIMIT.seconds, false)}
${pendingFunction(spec)}
install= remove= simulate= exact=${isExact ? '1' : ''} planned=${` ${planned.join(' ')} `}
${OPENING}
if [ -z "$exact$updated" ] && lists_are_old; then update; [ -z "$unfetched" ] || report_failure; fi
now=$(pending) || exit 1
[ -z "$exact" ] || for one in $now; do case $planned in *" $one "*) ;; *) echo "an upgrade was not planned: $one" >&2; exit ${CHANGED} ;; esac; done
if [ -n "$now" ]; then
wait_until_free
${spec.packages === 'all' ? sh`apt ${upgradeArguments(spec)}` : sh`apt install --only-upgrade --no-remove $now`} && ! unfinished || report_failure
fi
printf 'done\\0%s\\0' ${id}`
}

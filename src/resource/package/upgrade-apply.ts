import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { aptFunctions, BUSY } from './apt-functions.ts'
import { lockFunctions } from './apt-lock.ts'
import { holdFunctions } from './hold.ts'
import { listsAreOld, transactionOptions } from './simulate.ts'
import { type UpgradeSpec, type UpgradeState, upgradeArguments, wanted } from './upgrade-spec.ts'

type UpgradeWork = Work<UpgradeSpec, UpgradeState>

/** Waits of a minute for a busy dpkg. */
const TIMES = 10

/** Upgrades packages, one resource after the other. */
export function* applyUpgrades(work: readonly UpgradeWork[]): Steps {
  for (const one of work)
    for (let i = 1; ; i += 1) {
      // A release upgrade of a slow host takes longer than the half hour of other steps.
      const step = { do: 'shell', script: scriptOf(one), doing: 'upgrading packages', installs: true, withinMs: 7_200_000 } as const
      const answer = yield step
      if (answer.code !== BUSY) {
        check(one, answer)
        break
      }
      if (i === TIMES)
        throw new HostRefusal(
          'dpkg is locked by another program',
          `waited ${TIMES} minutes for ${answer.stderr.trim()}`,
          'wait until it finishes, or stop it if it hangs, then run again; nothing was changed',
        )
    }
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
  const options = [...upgradeArguments(spec)]
  return sh`
export LC_ALL=C DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
umask 022
work=$(mktemp -d "$T/XXXXXXXX") || exit 1
doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
cause() { printf 'provision-cause: %s\\n' "$*"; }
${lockFunctions}
${holdFunctions}
${listsAreOld(Math.floor(spec.cacheHours * 60))}
${aptFunctions(60, false)}
${pendingFunction(spec)}
install= remove= simulate= exact=${isExact ? '1' : ''} planned=${` ${planned.join(' ')} `}
wait_until_free
trap 'release; rm -rf "$work"' EXIT
hold || exit 1
begin
finish_interrupted
if [ -z "$exact$updated" ] && lists_are_old; then update; [ -z "$unfetched" ] || report_failure; fi
now=$(pending) || exit 1
[ -z "$exact" ] || for one in $now; do case $planned in *" $one "*) ;; *) echo "an upgrade was not planned: $one" >&2; exit ${CHANGED} ;; esac; done
if [ -n "$now" ]; then
wait_until_free
${spec.packages === 'all' ? sh`apt ${options}` : sh`apt install --only-upgrade --no-remove $now`} && ! unfinished || report_failure
fi
printf 'done\\0%s\\0' ${id}`
}

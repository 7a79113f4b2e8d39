import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { CHANGED, IN_STEP } from '../kind/walk.ts'
import { isActive, isEnabled, type ServiceState } from './observe.ts'
import type { ServiceSpec } from './spec.ts'

type ServiceWork = Work<ServiceSpec, ServiceState>

/**
 * The settings that were as declared when the unit was observed, so the plan does not name them. The run changes the rest: if somebody made
 * it as declared meanwhile, the wanted state is there already. A restart by hand loads the files that the run would load. The files are
 * compared by the kinds that write them. A unit that did not exist has no state to compare: all that the run makes of it is in the plan.
 */
const keptOf = ({ spec, state }: ServiceWork): string => {
  if (state.load === 'not-found') return ''
  const rests = !isActive(state) && state.active !== 'activating'
  return [
    ...((spec.running || spec.enabled) && state.load !== 'masked' ? ['unmasked'] : []),
    ...(spec.running && isActive(state) ? ['running'] : []),
    ...(!spec.running && rests ? ['stopped'] : []),
    ...(spec.enabled && isEnabled(state) ? ['enabled'] : []),
    ...(!spec.enabled && !state.enabled.startsWith('enabled') ? ['disabled'] : []),
  ].join(' ')
}

/**
 * Ends with `CHANGED` if somebody has stopped, started, enabled, disabled or masked a unit since the observation, before the first unit is
 * changed: one can change another (PartOf=, Conflicts=, Also=). Then runs `systemctl daemon-reload`, only if unit files changed: it takes
 * a tenth of a second.
 *
 * A step of the run itself can have changed the unit. While the run installs packages, only a package that has the unit can.
 *
 * A service that failed was not stopped by hand, and the run starts it. A unit that a trigger started (TriggeredBy=) was not started by hand
 * either. Links of SysV services are not compared.
 */
export const compareScript = (work: readonly ServiceWork[]): Script => sh`${IN_STEP}
differs() {
  case $1 in
    unmasked) [ "$load" = masked ] || return 1; now=masked ;;
    running) case $active in inactive|deactivating) now=stopped ;; *) return 1 ;; esac ;;
    stopped) [ -z "$triggered" ] || return 1; case $active in active|reloading|activating) now=started ;; *) return 1 ;; esac ;;
    enabled) case $file in disabled|masked*) now=disabled ;; *) return 1 ;; esac ;;
    disabled) case $file in enabled*) now=enabled ;; *) return 1 ;; esac ;;
  esac
}
# Whether a package that has one of these units was installed in this run.
by_package() {
  for unit do
    for name in "$unit" "\${unit%%@*}@.\${unit##*.}"; do
      printf '%s\n' "/lib/systemd/system/$name" "/usr/lib/systemd/system/$name" "/etc/init.d/\${name%.service}"
    done
  done >"$T/units"
  for list in $(grep -lsxF -f "$T/units" /var/lib/dpkg/info/*.list); do ! in_install "$list" || return 0; done
  return 1
}
by_this_run() {
  case $2 in
    # A unit can stop a moment after the step that stopped it. A package can stop a unit that needs one of its own.
    running|stopped)
      touch -d "$changed" "$T/changed" && touch -d "$changed 1 second ago" "$T/changed.before"
      in_step "$T/changed" "$T/changed.before" && return
      in_install "$T/changed" "$T/changed.before" && by_package "$1" $(systemctl show --value -p Requires,Requisite,BindsTo,PartOf,Conflicts,ConflictedBy -- "$1") ;;
    *)
      for directory in /etc/systemd/system /etc/systemd/system/*.wants /etc/systemd/system/*.requires /run/systemd/system; do
        ! in_step "$directory" || return 0
        ! in_install "$directory" || ! by_package "$1" || return 0
      done
      return 1 ;;
  esac
}
compare() {
  for kept in $2; do
    ! differs "$kept" || by_this_run "$1" "$kept" || { printf 'culprit\\0%s\\0' "$1"; printf '%s is not as it was observed: it was %s meanwhile\\n' "$1" "$now" >&2; exit ${CHANGED}; }
  done
}
described=$(systemctl show --timestamp=us+utc -p LoadState,ActiveState,UnitFileState,NeedDaemonReload,StateChangeTimestamp,TriggeredBy -- ${work.map(({ id }) => id)}) || exit 1
set -- ${work.flatMap((one) => [one.id, keptOf(one)])}
load= active= file= changed= triggered= outdated=
while IFS='=' read -r key value; do
  case $key in
    LoadState) load=$value ;; ActiveState) active=$value ;; UnitFileState) file=$value ;; StateChangeTimestamp) changed=$value ;;
    TriggeredBy) triggered=$value ;; NeedDaemonReload) [ "$value" != yes ] || outdated=1 ;;
    '') compare "$1" "$2"; shift 2 ;;
  esac
done <<UNITS
$described

UNITS
[ $# = 0 ] || { echo 'systemctl did not describe all units' >&2; exit 1; }
[ -z "$outdated" ] || systemctl daemon-reload || exit 1
`

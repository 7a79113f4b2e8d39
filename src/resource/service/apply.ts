import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { isSshd } from '../guarded/login-access.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { STAMPS } from '../kind/stamp.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { compareScript } from './compare.ts'
import { checkLoaded, LOAD_FUNCTIONS, loadScript } from './load.ts'
import type { ServiceState } from './observe.ts'
import type { ServiceSpec } from './spec.ts'

type ServiceWork = Work<ServiceSpec, ServiceState>

/** Applies adjacent services in one request, in order, until one fails. `withinMs` is for services that may take hours to start. */
export function* applyServices(work: readonly ServiceWork[], withinMs?: number): Steps {
  const units = work.map(({ id }) => id)
  const answer = yield {
    do: 'shell',
    doing: units.length === 1 ? `changing ${units[0]}` : `changing ${units.length} services`,
    script: sh`${LOAD_FUNCTIONS}${compareScript(work)}${work.map(({ spec }) => serviceScript(spec))}`,
    ...(withinMs === undefined ? {} : { withinMs }),
  }
  if (answer.code === CHANGED) requireBatch(answer, work, { what: (unit) => `service ${unit ?? units.join(', ')} not changed` })
  checkLoaded(
    answer,
    [...answer.stdout.toString().matchAll(/^provision-done (\S+)$/gm)].flatMap(([, unit]) => (unit === undefined ? [] : [unit])),
  )
}

const serviceScript = (spec: ServiceSpec): Script => {
  const { unit } = spec
  // Enabled before it is started, because that creates its aliases (Alias=). A failed start disables it again.
  const enable = sh`case $was in enabled|${NOT_TO_ENABLE}) ;; *) systemctl enable -q -- ${unit} || exit 1 ;; esac`
  const takeBack = sh`case $was in enabled|${NOT_TO_ENABLE}) ;; *) systemctl disable -q -- ${unit} ;; esac`
  const disable = sh`case $was in disabled|masked*|${NOT_TO_ENABLE}) ;; *) systemctl disable -q -- ${unit} || exit 1 ;; esac`
  return sh`${spec.running && isSshd(unit) ? checkSshd(unit) : sh``}
${spec.running || spec.enabled ? sh`case $(systemctl show -P LoadState -- ${unit}) in masked) systemctl unmask -q -- ${unit}; systemctl unmask -q --runtime -- ${unit} ;; esac` : sh``}
was=$(systemctl show -P UnitFileState -- ${unit})
[ "$was" != generated ] || case $(systemctl show -P SourcePath -- ${unit}) in /etc/init.d/*)
  case " $(systemctl show -P WantedBy -- ${unit}) " in *' multi-user.target '*) was=enabled ;; *) was=disabled ;; esac ;; esac
${spec.enabled ? enable : sh``}
${spec.running ? sh`${loadFindings(spec)} || { ${spec.enabled ? takeBack : sh`:`}; exit 1; }` : sh`systemctl stop -- ${unit} || exit 1; rm -f ${`${STAMPS}/${unit}`}`}
${spec.enabled ? sh`` : disable}
echo provision-done ${unit}
`
}

/** A restart ends the running daemon before the new one reads its settings, so sshd checks them first. */
const checkSshd = (unit: string): Script => sh`
if systemctl is-active -q -- ${unit} && ! /usr/sbin/sshd -t 2>"$T/sshd" >&2; then
  printf 'provision-refused %s restart kept\\n' ${unit}; cat "$T/sshd" >&2; exit 1
fi`

// Units without an [Install] section. Enabling an enabled unit would make systemd read all unit files again.
const NOT_TO_ENABLE = sh`static|alias|indirect|generated|transient|''`

const loadFindings = ({ unit, loads, restarts, facts, set, took, reload }: ServiceSpec): Script => {
  const paths = restarts.map(({ path }) => path)
  const files = loads.map(({ path }) => path)
  return loadScript({ unit, files, restarts: paths, ...(facts !== undefined && { facts }), mode: reload, start: true, set, took })
}

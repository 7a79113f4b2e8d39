import { commandLine, quote } from '../../shell/quote.ts'
import type { Work } from '../kind/kind.ts'
import { STAMPS } from '../kind/stamp.ts'
import type { Steps } from '../kind/step.ts'
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
    script: `${LOAD_FUNCTIONS}${daemonReloadScript(units)}${work.map(({ spec }) => serviceScript(spec)).join('')}`,
    ...(withinMs === undefined ? {} : { withinMs }),
  }
  checkLoaded(
    answer,
    [...answer.stdout.toString().matchAll(/^provision-done (\S+)$/gm)].flatMap(([, unit]) => (unit === undefined ? [] : [unit])),
  )
}

/** Runs `systemctl daemon-reload` only if unit files changed: it takes a tenth of a second. */
export const daemonReloadScript = (units: readonly string[]): string => `
case $(systemctl show -P NeedDaemonReload -- ${commandLine(...units)}) in *yes*) systemctl daemon-reload || exit 1 ;; esac
`

const serviceScript = (spec: ServiceSpec): string => {
  const unit = quote(spec.unit)
  // Enabled before it is started, because that creates its aliases (Alias=). A failed start disables it again.
  const enable = `case $was in enabled|${NOT_TO_ENABLE}) ;; *) systemctl enable -q -- ${unit} || exit 1 ;; esac`
  const takeBack = `case $was in enabled|${NOT_TO_ENABLE}) ;; *) systemctl disable -q -- ${unit} ;; esac`
  const disable = `case $was in disabled|masked*|${NOT_TO_ENABLE}) ;; *) systemctl disable -q -- ${unit} || exit 1 ;; esac`
  return `
${spec.running || spec.enabled ? `case $(systemctl show -P LoadState -- ${unit}) in masked) systemctl unmask -q -- ${unit}; systemctl unmask -q --runtime -- ${unit} ;; esac` : ''}
was=$(systemctl show -P UnitFileState -- ${unit})
${spec.enabled ? enable : ''}
${spec.running ? `${loadFindings(spec)} || { ${spec.enabled ? takeBack : ':'}; exit 1; }` : `systemctl stop -- ${unit} || exit 1; rm -f ${quote(`${STAMPS}/${spec.unit}`)}`}
${spec.enabled ? '' : disable}
echo provision-done ${unit}
`
}

// Units without an [Install] section. Enabling an enabled unit would make systemd read all unit files again.
const NOT_TO_ENABLE = "static|alias|indirect|generated|transient|''"

const loadFindings = ({ unit, loads, restarts, set, took, reload }: ServiceSpec): string => {
  const paths = restarts.map(({ path }) => path)
  const files = loads.map(({ path }) => path)
  return loadScript({ unit, files, restarts: paths, mode: reload, start: true, set, took })
}

import { onTestFinished } from 'vitest'
import { file } from '../../../../src/resource/file/file.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { type Here, here } from '../run-here.ts'

/**
 * Answers from `unit/PROPERTY`, notes what it was asked to change in `calls`, and moves the unit like systemd: a verb fails while `fails/VERB`
 * (or `fails/VERB-UNIT`) exists; otherwise it runs `on/VERB`, if there is one.
 */
const SYSTEMCTL = `cd ROOT
property() { value=; { read -r value <"unit/$1"; } 2>/dev/null; echo "$value"; }
case $1 in show)
  shift
  while [ "$1" != -- ]; do case $1 in
    -P) shift; property "$1" ;;
    -p) shift; names=$1 ;;
    --timestamp=us+utc) ;;
    *) exit 64 ;;
  esac; shift; done
  shift; first=1; IFS=,
  for unit in \${names+"$@"}; do [ "$first" ] || echo; first=; for name in $names; do printf '%s=' "$name"; property "$name"; done; done
  [ "$1" = web.service ] || [ "$1" = late.service ]; exit ;;
esac
echo "$*" >>calls
[ ! -e "fails/$1" ] && [ ! -e "fails/$1-$3" ] || { echo "Job for $3 failed"; exit 1; }
case $1 in
start|restart|reload) echo "$(( $(property StateChangeTimestampMonotonic) + 1 ))" >unit/StateChangeTimestampMonotonic; echo active >unit/ActiveState ;;
stop) echo inactive >unit/ActiveState ;;
esac
[ ! -e "on/$1" ] || . "./on/$1"`

/** Counts its calls, and runs `on/sleep` with their number: time passes. */
const SLEEP = `cd ROOT; echo "$1" >>slept; read -r n <times; n=$((n+1)); echo $n >times; [ ! -e on/sleep ] || . ./on/sleep`

type Options = Omit<Parameters<typeof service>[0], 'unit'>

/** A host with one unit, `web.service`, that runs and can reload; and its files in /etc/web. */
export interface ServiceHost extends Here {
  /** Sets properties of the unit. */
  unit(properties: Readonly<Record<string, string>>): void
  /** The requests to systemctl since the last call. */
  calls(): readonly string[]
  /** Lines of the stamp, with the name of each digested file instead of its digest. */
  stamp(): readonly string[]
  /** Applies the service as its kind does, together with further ones. */
  change(options?: Options, ...more: readonly Resource[]): HostRefusal | undefined
}

export const CONF = file({ path: '/etc/web/web.conf', content: 'new' })
export const BINARY = file({ path: '/etc/web/binary', content: 'new' })

export const serviceHost = (): ServiceHost => {
  const host = here('/run/provision/loaded', '/etc/web', '/proc')
  onTestFinished(() => host.remove())
  host.program('systemctl', SYSTEMCTL.replaceAll('ROOT', host.root))
  host.program('sleep', SLEEP.replaceAll('ROOT', host.root))
  host.program('journalctl', `cd ${host.root}; echo "$*" >>journal-asked; [ "$1" = --sync ] || cat journal 2>/dev/null`)
  host.sh(
    'mkdir -p unit on fails etc/web proc run/provision/loaded; : >calls; : >slept; echo 0 >times; echo old >etc/web/web.conf; echo old >etc/web/binary',
  )
  const unit: ServiceHost['unit'] = (properties) => {
    host.sh(
      Object.entries(properties)
        .map(([name, value]) => `echo '${value}' >unit/${name}`)
        .join('\n'),
    )
  }
  unit({
    ...{ LoadState: 'loaded', ActiveState: 'active', Result: 'success', ReloadResult: 'success', MainPID: '100', CanReload: 'yes' },
    ...{ Type: 'notify', NRestarts: '0', StateChangeTimestampMonotonic: '7', UnitFileState: 'enabled', NeedDaemonReload: 'no' },
    // After its files were written.
    StateChangeTimestamp: '2100-01-01 00:00:00.000000 UTC',
  })
  return {
    ...host,
    unit,
    calls: () => host.sh('cat calls; : >calls').split('\n').slice(0, -1),
    stamp: () =>
      host
        .sh('cat /run/provision/loaded/web.service 2>/dev/null')
        .split('\n')
        .slice(0, -1)
        .map((line) => {
          const [, path = ''] = /^[0-9a-f]{64} {2}(.*)$/.exec(line) ?? []
          const digest = path === '' ? '' : host.sh(`sha256sum ${path}`).slice(0, 64)
          return path === '' ? line : `${line.startsWith(digest) ? 'present' : 'other'} ${path}`
        }),
    change: (options = {}, ...more) => {
      const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
      const all: readonly Resource[] = [service({ unit: 'web.service', ...options }), ...more]
      const [load = '', active = '', enabled = ''] = host.sh('cd unit; cat LoadState ActiveState UnitFileState').split('\n')
      // As an observation of this moment reports it.
      const state: ServiceState = {
        ...{ load, active, enabled, sub: '', result: '', needsDaemonReload: false, reloadFailed: false },
        ...{ stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
      }
      return host.apply(
        all.map(({ id, spec }) => ({ id, spec, state, change })),
        service.kind,
      )
    },
  }
}

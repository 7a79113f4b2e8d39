import { commandLine } from '../../../../src/shell/quote.ts'
import type { Root } from './root.ts'

/** Results of the jobs of a host. */
export interface Jobs {
  readonly ended: readonly string[]
  /** Units that did not end in time. */
  readonly hanging: readonly string[]
}

/** The longest limit of a job that meets a server that does not answer is 70 seconds. */
const PATIENCE_S = 150

/**
 * Starts every job of a host once, of ours and of the distribution: what timers start, and units of ours that run and end. Then it
 * restarts our daemons, whose preparations run as root.
 */
export const startJobs = async (root: Root): Promise<Jobs> => {
  const all = "systemctl list-unit-files --type=service --no-legend | sed -n 's/^\\([^@ ]*\\) .*/\\1/p'"
  const units = unitsIn(await root(`systemctl show -p Id,Type,FragmentPath,DropInPaths,TriggeredBy,ActiveState -- $(${all})`))
  const jobs = units.filter(({ isJob }) => isJob).map(({ id }) => id)
  const daemons = units.filter(({ isDaemon }) => isDaemon).map(({ id }) => id)
  const said = await root(`set +e
printf '%s\\n' ${commandLine(...jobs)} | xargs -P 8 -I{} sh -c 'systemctl reset-failed {} 2>/dev/null
timeout ${PATIENCE_S} systemctl start {} 2>/dev/null </dev/null; c=$?; [ $c != 124 ] || systemctl kill -s KILL {} 2>/dev/null; echo "$c {}"'
${daemons.length === 0 ? '' : `systemctl restart --no-block ${commandLine(...daemons)} 2>/dev/null; sleep 10`}; :`)
  const codes = said.split('\n').filter((line) => line !== '')
  const of = (isHanging: boolean): readonly string[] =>
    codes.filter((line) => line.startsWith('124 ') === isHanging).map((line) => line.slice(line.indexOf(' ') + 1))
  return { ended: of(false), hanging: of(true) }
}

const unitsIn = (shown: string) =>
  shown.split(/\n\n+/).map((block) => {
    const of = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(block)?.[1] ?? ''
    const isOurs = `${of('FragmentPath')} ${of('DropInPaths')}`.includes('/etc/systemd/system/')
    const isShort = of('Type') === 'oneshot'
    return {
      id: of('Id'),
      isJob: isShort && (isOurs || of('TriggeredBy').includes('.timer')),
      isDaemon: !isShort && isOurs && of('ActiveState') === 'active',
    }
  })

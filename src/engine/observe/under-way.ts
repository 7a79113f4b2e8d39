import { holderName } from '../../host/shell/lock.ts'
import { sh } from '../../shell/sh.ts'

/** Reports the holder of the host's lock while its shell is alive. Uses shell builtins only. */
export const UNDER_WAY_SCRIPT = sh`
{ read -r pid _ && IFS= read -r line; } 2>/dev/null </run/provision.holder && while read -r word _; do
  [ "$word" != lock: ] || { printf 'underway %s\\n' "$line"; break; }
done 2>/dev/null <"/proc/$pid/fdinfo/9"
:`

/** A warning that another run is changing the host, with its holder and start; undefined if none is under way. */
export const underWay = (stdout: string): string | undefined => {
  const holder = /^underway (.*)$/m.exec(stdout)?.[1]
  if (holder === undefined) return undefined
  return `a run is under way on this host, by ${holderName(holder)}: what is shown here may change with its next step`
}

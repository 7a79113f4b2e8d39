import { quote } from '../quote.ts'
import type { Work } from './kind.ts'
import { type LeftoverSpec, placeOf, type SeenLeftover } from './leftover-seen.ts'
import { forgetLines } from './owned-record.ts'
import { parentOf } from './path.ts'
import { SHARED } from './service-probe.ts'
import { STAMPS } from './stamp.ts'
import { type Steps, succeeded } from './step.ts'

type LeftoverWork = Work<LeftoverSpec, SeenLeftover>

/** Deletes what is still as we left it, and then takes it out of the record: a cut between the two leaves a record of what is gone, not the reverse. */
export function* applyLeftovers(work: readonly LeftoverWork[]): Steps {
  const deleting = work.filter(({ verdict }) => verdict.action === 'delete')
  const script = [
    ...deleting.map(scriptOf),
    ...(deleting.some(isUnit) ? ['systemctl daemon-reload'] : []),
    ...[...Map.groupBy(work, ({ spec }) => spec.role)].map(([role, ofRole]) =>
      forgetLines(
        role,
        ofRole.map(({ spec }) => spec.thing.text),
      ),
    ),
  ]
  const doing =
    deleting.length === 0 ? undefined : `deleting ${deleting.length === 1 ? deleting[0]?.id : `${deleting.length} left-over things`}`
  succeeded(
    yield { do: 'shell', script: script.join('\n'), ...(doing !== undefined && { doing }) },
    'what is left over could not be deleted',
    'nothing that somebody else wrote was touched; look at what the host says, and run again',
  )
}

const isUnit = ({ spec }: LeftoverWork): boolean => spec.thing.key.startsWith('unit:')

// It is looked at once more, at the last moment; and services that load what lies beside it owe a reload, which their stamps would deny.
const scriptOf = (one: LeftoverWork): string => {
  const place = placeOf(one.spec.thing) ?? ''
  const path = quote(place)
  return `${unitScript(one)}
if [ -L ${path} ] || [ -e ${path} ]; then
${removal(one, path)} || { echo ${quote(`${place} is no longer what we wrote`)} >&2; exit 1; }
${one.id.includes('.d/') && isUnit(one) ? `rmdir --ignore-fail-on-non-empty -- ${quote(parentOf(place))}` : `sync ${quote(parentOf(place))}`}
${stampsScript(parentOf(place))}
fi`
}

/** Forgets what services have loaded that load something from this very directory. */
const stampsScript = (directory: string): string =>
  SHARED.has(directory)
    ? ''
    : `grep -lsE -- ${quote(`^[0-9a-z]+ [ *]?${directory.replace(/[^A-Za-z0-9/_-]/g, '\\$&')}/[^/]*$`)} ${STAMPS}/* | xargs -r rm -f --`

const removal = ({ spec: { thing } }: LeftoverWork, path: string): string => {
  if (thing.key.startsWith('directory:')) return `rmdir -- ${path}`
  if (thing.key.startsWith('link:'))
    return `[ -L ${path} ] && [ "$(readlink -- ${path})" = ${quote(thing.digest?.slice(2) ?? '')} ] && rm -f -- ${path}`
  return `[ ! -L ${path} ] && [ -f ${path} ] && [ "$(sha256sum <${path})" = ${quote(`${thing.digest}  -`)} ] && rm -f -- ${path}`
}

/** A unit is stopped while systemd still knows how; the directory of a drop-in goes with its last one. */
const unitScript = (one: LeftoverWork): string => {
  if (!isUnit(one)) return ''
  return one.id.includes('.d/') ? '' : `systemctl disable --now -- ${quote(one.id)} >/dev/null 2>&1`
}

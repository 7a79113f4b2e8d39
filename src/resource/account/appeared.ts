import { raw, type Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { CHANGED, IN_STEP, INSTALL_MARK } from '../kind/walk.ts'

/** An account that did not exist when it was observed. */
export interface Appeared {
  readonly name: string
  /** Condition of the shell that the account is as declared. Undefined: any account of this name is. */
  readonly asDeclared: Script | undefined
}

/**
 * Ends with `CHANGED`, before the first account is changed, if somebody created one since the observation. One that is as declared is
 * accepted. So is one that a step of this run can have created: the last change of the database was in such a step; or this run has
 * installed packages, and a maintainer script or sysusers.d(5) names the account.
 */
export const refuseAppeared = (database: 'passwd' | 'group', accounts: readonly Appeared[]): Script => {
  const checked = accounts.flatMap(({ name, asDeclared }) =>
    asDeclared === undefined
      ? []
      : [sh`! getent ${database} ${name} >/dev/null || { ${asDeclared}; } || appeared ${name} ${patternOf(name)}`],
  )
  if (checked.length === 0) return sh``
  return sh`${IN_STEP}
by_package() {
  set -- "$1" "$T"/${raw(INSTALL_MARK)}*.to; [ -e "$2" ] || return
  set -- "$1" /var/lib/dpkg/info/*.preinst /var/lib/dpkg/info/*.postinst /usr/lib/sysusers.d/*.conf
  grep -qsE -e "$@"
}
appeared() {
  ! in_step /etc/${raw(database)} && ! by_package "$2" || return 0
  printf 'culprit\\0%s\\0' "$1"; echo ${database === 'passwd' ? 'user' : 'group'} "$1 is not as it was observed" >&2; exit ${CHANGED}
}
${checked}`
}

/** A name as a word: not as a part of a path or of another name. */
const patternOf = (name: string): string => `(^|[^A-Za-z0-9_./-])${name.replaceAll('.', '[.]').replaceAll('$', '[$]')}([^A-Za-z0-9_./-]|$)`

import { LOGIN_UNITS, type LoginAccess, needsSettings, needsUnits } from '../../resource/guarded/login-access.ts'
import { records } from '../../resource/kind/chunks.ts'
import type { Effect, Resource } from '../../resource/kind/kind.ts'
import type { Answers, SharedQueries } from '../../resource/kind/queries.ts'
import type { Script } from '../../shell/script.ts'
import { glob, sh } from '../../shell/sh.ts'
import { calling } from '../failure.ts'
import type { DeclaredResource } from '../plan/declared.ts'

/** Key of the observation entry with everything that the login of the run needs. It has no colon, so no resource has this key. */
export const LOGIN_ACCESS = 'login-access'

/** Returns the effects of a change of a resource. Default: those on its files. */
export const effectsOf = ({ kind, spec }: Resource, isDeletion: boolean): readonly Effect[] =>
  kind.effects?.(spec) ??
  (kind.files?.(spec) ?? []).flatMap(({ path, sha256 }): readonly Effect[] =>
    sha256 === 'absent' ? (isDeletion ? [{ path, becomes: 'absent' }] : []) : [{ path, becomes: { type: 'f' } }],
  )

/** The query for everything that the login of the run needs. It uses builtins, and lists units only if a resource could stop one of them. */
export const loginAccessQuery = (
  resources: readonly DeclaredResource[],
): { readonly shared: SharedQueries; readonly script: Script; read(stdout: Buffer, answers: Answers): LoginAccess } => {
  const effects = resources.flatMap(({ role, resource }) =>
    calling({ call: `effects of kind ${resource.kind.name}`, role }, () => effectsOf(resource, true)),
  )
  return {
    shared: effects.some(needsUnits) ? { units: LOGIN_UNITS } : {},
    script: effects.length === 0 ? sh`` : sh`if [ "\${connection-}" ]; then\n${LOGIN}${effects.some(needsSettings) ? SETTINGS : sh``}fi`,
    read: (stdout, answers) => {
      const [account, home = '', shell = '', port = '', keys = '', ...settings] = records(stdout, 1).map(([field]) => field ?? '')
      const login = account === undefined ? undefined : { account, home, shell, port, keys: keys.split(' ').filter((key) => key !== '') }
      return { login, units: unitsIn(answers), isKeysPlaceSet: settings.some(setsKeysPlace) }
    },
  }
}

/** Prints account, home, shell, port and keys of the login. sudo sets SUDO_USER. */
const LOGIN = sh`login=\${SUDO_USER:-root} found= home= shell=
while IFS=: read -r name _ _ _ _ home shell; do [ "$name" != "$login" ] || { found=1; break; }; done </etc/passwd
[ "$found" ] || home= shell=
printf '%s\\0%s\\0%s\\0%s\\0%s\\0' "$login" "$home" "$shell" "\${connection##* }" "\${login_keys-}"
`

/** Prints the settings of sshd without comments. */
const SETTINGS = sh`for file in /etc/ssh/sshd_config ${glob('/etc/ssh/sshd_config.d/*.conf')}; do
  [ -f "$file" ] || continue
  i=0; while [ $i -lt 5000 ] && { IFS= read -r line || [ "$line" ]; }; do i=$((i+1)); case $line in ''|'#'*) ;; *) printf '%s\\0' "$line" ;; esac; done <"$file"
done
`

const unitsIn = ({ units }: Answers): LoginAccess['units'] =>
  new Map(
    LOGIN_UNITS.flatMap((unit) => {
      const found = units.get(unit)
      if (found === undefined) return []
      const isActive = ['active', 'reloading', 'activating'].includes(found.get('ActiveState') ?? '')
      return [[unit, { isActive, isEnabled: /^(enabled|generated)/.test(found.get('UnitFileState') ?? '') }] as const]
    }),
  )

const ELSEWHERE = /^\s*(AuthorizedKeysFile|AuthorizedKeysCommand|TrustedUserCAKeys|StrictModes|Include)\b/i

/**
 * Whether a setting makes sshd take keys from another place, or ignore who can write there. Every other Include counts too, because its
 * files are not read.
 */
const setsKeysPlace = (line: string): boolean =>
  ELSEWHERE.test(line) && !/^\s*Include\s+\/etc\/ssh\/sshd_config\.d\/\*\.conf\s*$/i.test(line)

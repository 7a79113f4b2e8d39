import { z } from 'zod'
import { quote } from '../../shell/quote.ts'
import { defineKind } from '../kind/kind.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'

/** Directory of scripts that undo a drain, `web-01@haproxy-tls`; each exists while its host is drained. */
const MARKS = '/var/lib/provision/drained'

const markOf = (member: string, role: string): string => `${member}@${role}`

/** Saves the undo script from standard input, then drains a host. */
export const drainScript = (member: string, role: string, out: string): string => `umask 077; d=${MARKS}
mkdir -p "$d" && cat >"$d/.new" && sync "$d/.new" && mv -f "$d/.new" "$d"/${quote(markOf(member, role))} && sync "$d" || exit
${out}`

/** Undoes the drain of a host and deletes the saved script, also if the undo fails. */
export const undrainScript = (member: string, role: string, back: string): string => `( ${back}
)
c=$?; rm -f ${MARKS}/${quote(markOf(member, role))}; exit "$c"`

/** Undoes drains of interrupted runs by these roles (all roles if empty), except for `spared` hosts. */
export const undrainInterruptedScript = (
  roles: readonly string[],
  spared: readonly { readonly member: string; readonly role: string }[] = [],
): string => `c=0
for f in ${marksBy(roles)}; do
  m=\${f##*/}; [ -e "$f" ] || continue
  case $m in ${[...spared.map(({ member, role }) => quote(markOf(member, role))), "''"].join('|')}) continue;; esac
  printf 'provision-doing: putting %s back into service\\n' "\${m%@*}"
  sh "$f" </dev/null || { c=$?; printf '%s, drained by an interrupted run, not back in service\\n' "\${m%@*}" >&2; }
  rm -f "$f"
done
exit "$c"`

const marksBy = (roles: readonly string[]): string =>
  roles.length === 0 ? `${MARKS}/*` : roles.map((role) => `${MARKS}/*@${quote(role)}`).join(' ')

/**
 * No host remains out of service after an interrupted run of a role that drains hosts. It is a debt of safety, which the next run
 * settles. The engine declares it for such roles.
 */
export const drained = defineKind({
  name: 'drained',
  schema: z.strictObject({ role: z.string() }),
  id: ({ role }) => role,

  // Builtins only.
  observe: (specs) => ({
    script: `for f in ${marksBy(specs.map(({ role }) => role))}; do [ ! -e "$f" ] || printf '%s\\0' "\${f##*/}"; done; printf 'end\\0'`,
    parse: (stdout) => {
      const fields = stdout.toString().split('\0')
      if (fields.at(-2) !== 'end') throw new Error('the host did not list the drained hosts')
      const marks = fields.slice(0, -2).map((mark) => mark.split('@'))
      return new Map(specs.map(({ role }) => [role, marks.flatMap(([member = '', by]) => (by === role ? [member] : []))]))
    },
  }),

  plan: (_, out: readonly string[]) =>
    out.length === 0
      ? undefined
      : {
          action: 'update',
          certainty: 'exact',
          reason: `${out.join(', ')} still drained by an interrupted run`,
          differences: [],
          debt: true,
        },

  orphan: { forget: true },

  apply: function* (work): Steps {
    requireSuccess(
      yield { do: 'shell', script: undrainInterruptedScript(work.map(({ id }) => id)) },
      'some hosts not back in service',
      'check the named hosts; they are enabled again and get requests once they are healthy',
    )
  },
})

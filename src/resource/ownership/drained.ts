import { z } from 'zod'
import { quote } from '../../shell/quote.ts'
import { defineKind } from '../kind/kind.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'

/** Where a host keeps how to put back what a run has taken out there: a script each, `web-01@haproxy-tls`, from before to after. */
const MARKS = '/var/lib/provision/drained'

const markOf = (member: string, role: string): string => `${member}@${role}`

/** Takes a host out, having written down how to put it back, which is read from standard input. */
export const drainScript = (member: string, role: string, out: string): string => `umask 077; d=${MARKS}
mkdir -p "$d" && cat >"$d/.new" && sync "$d/.new" && mv -f "$d/.new" "$d"/${quote(markOf(member, role))} && sync "$d" || exit
${out}`

/** Puts a host back. However that ends it is in again, so there is nothing left to remember. */
export const undrainScript = (member: string, role: string, back: string): string => `( ${back}
)
c=$?; rm -f ${MARKS}/${quote(markOf(member, role))}; exit "$c"`

/** Puts back what runs that were cut have left out by these roles (none: by any), but for some hosts. */
export const undrainInterruptedScript = (
  roles: readonly string[],
  spared: readonly { readonly member: string; readonly role: string }[] = [],
): string => `c=0
for f in ${marksBy(roles)}; do
  m=\${f##*/}; [ -e "$f" ] || continue
  case $m in ${[...spared.map(({ member, role }) => quote(markOf(member, role))), "''"].join('|')}) continue;; esac
  printf 'provision-doing: putting %s back in\\n' "\${m%@*}"
  sh "$f" </dev/null || { c=$?; printf '%s, which a run that was cut had taken out, does not come back\\n' "\${m%@*}" >&2; }
  rm -f "$f"
done
exit "$c"`

const marksBy = (roles: readonly string[]): string =>
  roles.length === 0 ? `${MARKS}/*` : roles.map((role) => `${MARKS}/*@${quote(role)}`).join(' ')

/**
 * That no other host is left out of service here, where a role had taken it out in a run that was cut. It is a debt of safety:
 * whichever run comes first pays it. The engine places it where a role takes hosts out.
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
      if (fields.at(-2) !== 'end') throw new Error('the host did not say which hosts are out')
      const marks = fields.slice(0, -2).map((mark) => mark.split('@'))
      return new Map(specs.map(({ role }) => [role, marks.flatMap(([member = '', by]) => (by === role ? [member] : []))]))
    },
  }),

  plan: (_, out: readonly string[]) =>
    out.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: `${out.join(', ')} still out, by a run that was cut`, differences: [], debt: true },

  orphan: { forget: true },

  apply: function* (work): Steps {
    requireSuccess(
      yield { do: 'shell', script: undrainInterruptedScript(work.map(({ id }) => id)) },
      'not every host came back into service',
      'see what is wrong with it: it is in again, and gets requests as soon as it is found healthy',
    )
  },
})

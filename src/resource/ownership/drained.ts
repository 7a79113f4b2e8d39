import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import { defineKind } from '../kind/kind.ts'
import { requireSuccess, type Steps } from '../kind/step.ts'
import { fileNameOf } from './role-name.ts'

/** Directory of scripts that undo a drain, `web-01@haproxy-tls`; each exists while its host is drained. */
const MARKS = '/var/lib/provision/drained'

const markOf = (member: string, role: string): string => `${member}@${fileNameOf(role)}`

/** Saves the undo script from standard input, then drains a host. */
export const drainScript = (member: string, role: string, out: Script): Script => sh`umask 077; marks=${MARKS}
mkdir -p "$marks" && cat >"$marks/.new" && sync "$marks/.new" && mv -f "$marks/.new" "$marks"/${markOf(member, role)} && sync "$marks" || exit
${out}`

/** Undoes the drain of a host and deletes the saved script, also if the undo fails. */
export const undrainScript = (member: string, role: string, back: Script): Script => sh`( ${back}
)
status=$?; rm -f ${MARKS}/${markOf(member, role)}; exit "$status"`

/** Undoes drains of interrupted runs by these roles (all roles if empty), except for `spared` hosts. */
export const undrainInterruptedScript = (
  roles: readonly string[],
  spared: readonly { readonly member: string; readonly role: string }[] = [],
): Script => sh`status=0
for file in ${marksBy(roles)}; do
  mark=\${file##*/}; [ -e "$file" ] || continue
  case $mark in ${join(sh`|`, [...spared.map(({ member, role }) => markOf(member, role)), ''])}) continue;; esac
  printf 'provision-doing: putting %s back into service\\n' "\${mark%@*}"
  sh "$file" </dev/null || { status=$?; printf '%s, drained by an interrupted run, not back in service\\n' "\${mark%@*}" >&2; }
  rm -f "$file"
done
exit "$status"`

const marksBy = (roles: readonly string[]): Script =>
  roles.length === 0
    ? sh`${MARKS}/*`
    : join(
        sh` `,
        roles.map((role) => sh`${MARKS}/*@${fileNameOf(role)}`),
      )

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
    script: sh`for file in ${marksBy(specs.map(({ role }) => role))}; do [ ! -e "$file" ] || printf '%s\\0' "\${file##*/}"; done; printf 'end\\0'`,
    parse: (stdout) => {
      const fields = stdout.toString().split('\0')
      if (fields.at(-2) !== 'end') throw new Error('the host did not list the drained hosts')
      const marks = fields.slice(0, -2).map((mark) => mark.split('@'))
      return new Map(specs.map(({ role }) => [role, marks.flatMap(([member = '', by]) => (by === fileNameOf(role) ? [member] : []))]))
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

  contained: true,
  orphan: { forget: true },

  apply: function* (work): Steps {
    requireSuccess(
      yield { do: 'shell', script: undrainInterruptedScript(work.map(({ id }) => id)) },
      'some hosts not back in service',
      'check the named hosts; they are enabled again and get requests once they are healthy',
    )
  },
})

import { quote } from '../../shell/quote.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal } from '../kind/step.ts'
import { layOverScript } from './place.ts'
import type { FileSpec, FileState } from './spec.ts'

/** Whether sudo reads rules from a path: sudoers(5), `@includedir` skips names with a dot and those that end in `~`. */
export const isReadBySudo = (path: string): boolean => path === '/etc/sudoers' || /^\/etc\/sudoers\.d\/[^/.]*[^/.~]$/.test(path)

/** The directory of rules. sudo skips it if others could write to it. */
const RULES = '/etc/sudoers.d'

/** Returns the refusal of an owner or a mode with which sudo would read no rule of a directory. */
export const unreadableRules = (spec: {
  readonly path: string
  readonly state: string
  readonly mode: string
  readonly owner: string
  readonly group: string
}): HostRefusal | undefined => {
  const { path, state, mode, owner, group } = spec
  const bits = Number.parseInt(mode, 8)
  const isReadable = owner === 'root' && (bits & 0o002) === 0 && ((bits & 0o020) === 0 || group === 'root')
  if (path !== RULES || state === 'absent' || isReadable) return undefined
  return new HostRefusal(
    `sudo would read no rule in ${path}`,
    `it skips a directory that an account other than root owns or can write to (${owner}:${group}, mode ${mode})`,
    'declare it with the owner root and mode 755 or 750',
  )
}

const REJECTED = 70
const SHUT_OUT = 71

/** Settings of sudo under which an account with a password of its own cannot open a root shell: sudoers(5). */
const HINDRANCES = 'noexec|rootpw|targetpw|runaspw|passwd_tries=0'

/**
 * Prints how the account of the run may use sudo, by a list of its rights, and by a command like the root shell of a run: without a
 * terminal or a password, and as a parent of other commands. Where that needs a password, which the host does not know, the settings for
 * the account decide.
 */
const RIGHTS = `
! sudo -n -l -U "$account" sh >/dev/null 2>&1 || echo listed
if setpriv --reuid "$account" --regid "$(id -g "$account")" --init-groups sudo -n sh -c 'env true' >/dev/null 2>&1; then echo free; echo usable
else sudo -n -l -U "$account" 2>/dev/null | tr ', ' '\\n\\n' | grep -qxE ${quote(HINDRANCES)} || echo usable; fi`

/**
 * Checks new rules of sudo on copies, before they go live: their syntax, and that the account of the run loses none of its rights. They are
 * mounted over the real ones in a separate mount namespace. A host without such namespaces checks the syntax only.
 */
export const checkSudoers = (work: readonly Work<FileSpec, FileState>[]): Script => {
  const written = work.filter(({ spec }) => spec.state === 'present').map(({ id }) => id)
  return sh`
work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
mkdir "$work/new" "$work/new/sudoers.d" || exit 1
[ ! -e /etc/sudoers ] || cp -a /etc/sudoers "$work/new/" || exit 1
[ ! -e /etc/sudoers.d ] || cp -a /etc/sudoers.d/. "$work/new/sudoers.d/" || exit 1
${layOverScript('/etc', sh`"$work/new"`)} || exit
set -- ${written}
! command -v visudo >/dev/null || for path do
  visudo -cf "$work/new\${path#/etc}" >"$work/output" 2>&1 </dev/null && continue
  sed "s|$work/new/|/etc/|g" "$work/output" >&2; exit ${REJECTED}
done
export account="\${SUDO_USER:-root}" rights=${RIGHTS}
if [ "$account" != root ]; then
  before=$(eval "$rights" </dev/null) after=$(unshare -m sh -c 'cd "$1" || exit
for name in sudoers sudoers.d; do [ ! -e "/etc/$name" ] || [ ! -e "$name" ] || mount --bind "$name" "/etc/$name" || exit; done
echo bound; eval "$rights"' sh "$work/new" 2>/dev/null </dev/null)
  case $after in bound*) for right in $before; do
    case $after in *"$right"*) ;; *) printf %s "$account" >&2; exit ${SHUT_OUT} ;; esac
  done ;; esac
fi`
}

/** Throws a `HostRefusal` if the check refused the new rules. */
export const requireSudoers = (answer: Answer, work: readonly Work<FileSpec, FileState>[], done: readonly string[]): void => {
  const paths = work.map(({ id }) => id).join(', ')
  if (answer.code === REJECTED)
    throw new HostRefusal(
      `visudo rejected ${paths}`,
      answer.stderr.trim(),
      'correct the content in the role; nothing was changed, sudo keeps its rules',
      { done },
    )
  if (answer.code === SHUT_OUT)
    throw new HostRefusal(
      `${paths} would shut out ${answer.stderr.trim()}, the account that this run uses`,
      'it could no longer become root by sudo as it does now',
      'correct the rules, or set `user` in the inventory to another account first; nothing was changed',
      { done },
    )
}

import { quote } from '../../shell/quote.ts'
import { STAMPS } from '../kind/stamp.ts'

/**
 * The last configuration that a service is known to take, kept on the host from the moment its files are replaced until it
 * has loaded the new ones: `files.tar` holds what was there, `absent` lists what was not. It survives a cut and a reboot.
 */
export const undoDirectory = (set: string): string => quote(`/var/lib/provision/undo/${set}`)

/**
 * Saves how these paths are now. A path that an earlier, unfinished change saved keeps that older state; one that is about to get
 * the very bytes that its service has loaded (`coming`, by path) needs none: what lies there now was never taken. Run before they are replaced.
 */
export const saveScript = (set: string, paths: readonly string[], coming: ReadonlyMap<string, string> = new Map()): string => `
u=${undoDirectory(set)}
keep() {
  mkdir -p -m 700 "$u"; touch "$u/absent"; [ -e "$u/files.tar" ] || tar -cf "$u/files.tar" -T /dev/null
  tar --quoting-style=literal -tf "$u/files.tar" >"$u/saved"
  for p do
    if grep -Fxq -- "\${p#/}" "$u/saved" || grep -Fxq -- "$p" "$u/absent"; then continue; fi
    if [ -e "$p" ] || [ -L "$p" ]; then tar -rf "$u/files.tar" -C / -- "\${p#/}"; else printf '%s\\n' "$p" >>"$u/absent"; fi
  done
  sync "$u/files.tar" "$u/absent" "$u"
}
set --
${paths.map((path) => savedUnlessLoaded(path, coming.get(path))).join('\n')}
[ $# = 0 ] || keep "$@"`

const savedUnlessLoaded = (path: string, sha256: string | undefined): string => {
  const add = `set -- "$@" ${quote(path)}`
  if (sha256 === undefined) return add
  return `grep -Fxqs -- ${quote(sha256 === 'absent' ? `absent ${path}` : `${sha256}  ${path}`)} ${STAMPS}/* || ${add}`
}

/** Puts back what was saved, if anything was, and forgets it. */
export const restoreScript = (set: string): string => `
u=${undoDirectory(set)}
if [ -d "$u" ]; then
  while IFS= read -r p; do rm -f -- "$p"; done <"$u/absent"
  tar -xpf "$u/files.tar" -C / && sync && rm -rf "$u"
fi`

/** The service has taken the new configuration: nothing to go back to any more. */
export const forgetScript = (set: string): string => `rm -rf ${undoDirectory(set)}`

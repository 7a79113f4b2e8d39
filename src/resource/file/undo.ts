import { quote } from '../../shell/quote.ts'
import { STAMPS } from '../kind/stamp.ts'

/**
 * Directory with the last configuration that the service accepted, from the replacement of its files until it has loaded the new ones.
 * `files.tar` contains the files, `absent` lists the missing ones. It survives an interrupted run and a reboot.
 */
export const undoDirectory = (set: string): string => quote(`/var/lib/provision/undo/${set}`)

/**
 * Saves these paths before they are replaced. A path saved by an earlier, unfinished change keeps that older version. A path is skipped
 * if its new content (`coming`, by path) is what the service has loaded: the service never accepted the current content.
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

/** Restores the saved files, if any, and deletes the saved copy. */
export const restoreScript = (set: string): string => `
u=${undoDirectory(set)}
if [ -d "$u" ]; then
  while IFS= read -r p; do rm -f -- "$p"; done <"$u/absent"
  tar -xpf "$u/files.tar" -C / && sync && rm -rf "$u"
fi`

/** Deletes the saved copy after the service has loaded the new configuration. */
export const forgetScript = (set: string): string => `rm -rf ${undoDirectory(set)}`

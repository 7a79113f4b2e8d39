import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { STAMPS } from '../kind/stamp.ts'

/**
 * Directory with the last configuration that the service accepted, from the replacement of its files until it has loaded the new ones.
 * `files.tar` contains the files, `absent` lists the missing ones. It survives an interrupted run and a reboot.
 */
export const undoDirectory = (set: string): string => `/var/lib/provision/undo/${set}`

/**
 * Saves these paths before they are replaced. A path saved by an earlier, unfinished change keeps that older version. A path is skipped
 * if its new content (`newDigests`, by path) is what the service has loaded: the service never accepted the current content.
 */
export const saveScript = (set: string, paths: readonly string[], newDigests: ReadonlyMap<string, string> = new Map()): Script => sh`
undo=${undoDirectory(set)}
save() {
  mkdir -p -m 700 "$undo"; touch "$undo/absent"; [ -e "$undo/files.tar" ] || tar -cf "$undo/files.tar" -T /dev/null
  tar --quoting-style=literal -tf "$undo/files.tar" >"$undo/saved"
  for p do
    if grep -Fxq -- "\${p#/}" "$undo/saved" || grep -Fxq -- "$p" "$undo/absent"; then continue; fi
    if [ -e "$p" ] || [ -L "$p" ]; then tar -rf "$undo/files.tar" -C / -- "\${p#/}"; else printf '%s\\n' "$p" >>"$undo/absent"; fi
  done
  sync "$undo/files.tar" "$undo/absent" "$undo"
}
set --
${paths.map((path) => savedUnlessLoaded(path, newDigests.get(path)))}
[ $# = 0 ] || save "$@"`

const savedUnlessLoaded = (path: string, sha256: string | undefined): Script => {
  const add = sh`set -- "$@" ${path}`
  if (sha256 === undefined) return add
  return sh`grep -Fxqs -- ${sha256 === 'absent' ? `absent ${path}` : `${sha256}  ${path}`} ${STAMPS}/* || ${add}`
}

/** Restores the saved files, if any, and deletes the saved copy. */
export const restoreScript = (set: string): Script => sh`
undo=${undoDirectory(set)}
if [ -d "$undo" ]; then
  while IFS= read -r p; do rm -f -- "$p"; done <"$undo/absent"
  tar -xpf "$undo/files.tar" -C / && sync && rm -rf "$undo"
fi`

/** Deletes the saved copy after the service has loaded the new configuration. */
export const forgetScript = (set: string): Script => sh`rm -rf ${undoDirectory(set)}`

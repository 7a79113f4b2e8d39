import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { guardScript } from '../kind/walk.ts'
import type { FileSpec, FileState } from './spec.ts'

/** Directory of replaced versions: below it the path of each file, which is a directory of its versions. Readable by root only. */
export const BACKUPS = '/var/backups/provision'

/**
 * Copies files before they are replaced, and deletes older copies. Only where root alone can replace them. The newest copy is not repeated,
 * as after an interrupted run.
 */
export const backupScript = (work: readonly Work<FileSpec, FileState>[]): Script => {
  const kept = work.filter(({ spec, state }) => spec.backups !== undefined && state !== ABSENT && state.type === 'f')
  if (kept.length === 0) return sh``
  return sh`${guardScript(kept.map(({ id }) => parentOf(id)))}
mkdir -p -m 700 ${BACKUPS} || exit 1
backup() {
  [ -f "$1" ] && [ ! -L "$1" ] || return 0
  most=$2 directory=${BACKUPS}$1 newest=
  mkdir -p "$directory" || return 1
  for old in "$directory"/*; do [ ! -f "$old" ] || newest=$old; done
  [ -z "$newest" ] || ! cmp -s -- "$1" "$newest" || return 0
  cp -p -- "$1" "$directory/.new" && sync "$directory/.new" && mv -f -- "$directory/.new" "$directory/$(date -u +%Y%m%dT%H%M%S.%NZ)" || return 1
  set -- "$directory"/*
  while [ $# -gt "$most" ]; do rm -f -- "$1" || return 1; shift; done
}
${kept.map(({ id, spec }) => sh`backup ${id} ${spec.backups ?? 0} || exit 1`)}
`
}

import type { Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answer, HostRefusal, outputExcerpt } from '../kind/step.ts'
import { layOverScript } from './place.ts'
import type { FileSpec, FileState } from './spec.ts'

type FileWork = Work<FileSpec, FileState>

const REJECTED = 73

/** Checks copies of new files in a private directory, by the commands of their resources. They have the names of the files. */
export const candidatesScript = (work: readonly FileWork[]): Script => {
  const present = work.filter(({ spec }) => spec.state === 'present')
  return sh`( new=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$new" "$new.output"' EXIT
for directory in ${[...new Set(work.map(({ id }) => parentOf(id)))]}; do mkdir -p "$new$directory" || exit 1; done
${layOverScript('', sh`"$new"`)} || exit
${present.flatMap(({ id, spec }) => (spec.checks ?? []).map((words) => checkScript(id, words)))}
) || exit
`
}

const checkScript = (path: string, words: readonly string[]): Script => {
  const command = words.map((word) => join(sh`"$new"${path}`, word.split('%s')))
  return sh`${join(sh` `, command)} >"$new.output" 2>&1 </dev/null || { cat "$new.output" >&2; printf 'culprit\\0%s\\0' ${path}; exit ${REJECTED}; }`
}

/** Throws a `HostRefusal` if a command rejected a candidate. */
export const requireAccepted = (answer: Answer, work: readonly FileWork[], done: readonly string[]): void => {
  if (answer.code !== REJECTED) return
  const fields = answer.stdout.toString().split('\0')
  const rejected = work.find(({ id }) => fields.some((field, i) => field.endsWith('culprit') && fields[i + 1] === id)) ?? work[0]
  const program = rejected?.spec.checks?.[0]?.[0] ?? 'the checker'
  throw new HostRefusal(
    `${program} rejected the new content of ${rejected?.id}`,
    outputExcerpt(answer.stderr),
    'correct the content; nothing was changed',
    { done, culprit: rejected?.id },
  )
}

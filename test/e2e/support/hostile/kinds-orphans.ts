import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { orphan as orphanOf } from '../../../../src/resource/ownership/orphan.ts'
import { OWNED, recordHead, recordLine, recordPath } from '../../../../src/resource/ownership/record.ts'
import { quote } from '../../../../src/shell/quote.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'

const ROLE = 'hostile'
const place =
  (holds: Place['holds']) =>
  (at: string): readonly Place[] => [{ path: `${at}/it`, holds, parent: true }]

const orphan = (key: string, path: string, digest?: string): Resource => {
  const text = recordLine(key, ...(digest === undefined ? [] : [path, digest]))
  return orphanOf({ role: ROLE, prune: true, owned: { key, text, ...(digest !== undefined && { path, digest }) } })
}
const recorded = (line: string): string =>
  `mkdir -p -m 700 ${OWNED}; printf '%s' ${quote(`${recordHead(['site.yaml'])}${line}\n`)} >${recordPath(ROLE)}`

/** A formerly declared resource is recorded and still exists unchanged. */
const target = (holds: Place['holds'], one: (at: string) => { key: string; digest?: string }, lay: string): Target => ({
  name: `orphan ${one('').key.split(':', 1)[0]}`,
  kinds: ['orphan', 'owned'],
  places: place(holds),
  resources: (at) => [orphan(one(at).key, `${at}/it`, one(at).digest)],
  lay,
  found: (at) => {
    const { key, digest } = one(at)
    return recorded(recordLine(key, ...(digest === undefined ? [] : [`${at}/it`, digest])))
  },
  clear: `rm -f ${recordPath(ROLE)}`,
})

export const LEFTOVER_TARGETS: readonly Target[] = [
  target('file', (at) => ({ key: `file:${at}/it`, digest: sha256Hex('old\n') }), 'echo old >it'),
  target('file', (at) => ({ key: `link:${at}/it`, digest: '->/srv' }), 'ln -sfn /srv it'),
  target('directory', (at) => ({ key: `directory:${at}/it` }), 'rm -f it; mkdir it'),
]

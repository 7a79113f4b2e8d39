import { aptPin } from '../../../src/resource/apt/pin.ts'
import type { AnyKind, Resource } from '../../../src/resource/kind/kind.ts'

/** For each kind whose resources are one file of root, the options of its i-th sample. */
const OPTIONS: readonly (readonly [(options: never) => Resource, (i: number) => object])[] = [
  [aptPin, (i) => ({ name: `sample${i}`, packages: `sample${i}`, version: '1.*', priority: 900 })],
]

const kindOf = (declare: object): AnyKind => (declare as { readonly kind: AnyKind }).kind

/** Their samples. A host is as declared if it has the file with this digest, and the mode of the kind. */
export const FILE_SAMPLES = Object.fromEntries(
  OPTIONS.map(([declare, options]) => {
    const kind = kindOf(declare)
    const asWanted = (i: number) => {
      const spec = kind.schema.parse(options(i))
      const [owned] = kind.files?.(spec) ?? []
      const [effect] = kind.effects?.(spec) ?? []
      const becomes = effect !== undefined && 'becomes' in effect && effect.becomes !== 'absent' ? effect.becomes : { type: 'f' as const }
      return { type: 'f', mode: becomes.mode ?? '644', owner: 'root', group: 'root', target: '', sha256: owned?.sha256 }
    }
    return [kind.name, { options, asWanted }]
  }),
)

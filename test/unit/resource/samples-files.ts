import { aptPin } from '../../../src/resource/apt/pin.ts'
import type { AnyKind, Resource } from '../../../src/resource/kind/kind.ts'
import { cron } from '../../../src/resource/system/cron.ts'
import { limits } from '../../../src/resource/system/limits.ts'
import { logrotate } from '../../../src/resource/system/logrotate.ts'
import { sudoers } from '../../../src/resource/system/sudoers.ts'

/** For each kind whose resources are one file of root, the options of its i-th sample. */
const OPTIONS: readonly (readonly [(options: never) => Resource, (i: number) => object])[] = [
  [aptPin, (i) => ({ name: `sample${i}`, packages: `sample${i}`, version: '1.*', priority: 900 })],
  [cron, (i) => ({ name: `sample${i}`, jobs: [{ schedule: '@daily', command: `echo sample${i}` }] })],
  [sudoers, (i) => ({ name: `sample${i}`, users: [`sample${i}`], commands: 'ALL' })],
  [limits, (i) => ({ name: `sample${i}`, limits: [{ domain: `sample${i}`, item: 'nofile', value: 1 }] })],
  [logrotate, (i) => ({ name: `sample${i}`, paths: [`/var/log/sample${i}`] })],
]

const kindOf = (declare: object): AnyKind => (declare as { readonly kind: AnyKind }).kind

/** Their samples. A host is as declared if it has the file with this digest, the mode of the kind, and a program that reads it. */
export const FILE_SAMPLES = Object.fromEntries(
  OPTIONS.map(([declare, options]) => {
    const kind = kindOf(declare)
    const asWanted = (i: number) => {
      const spec = kind.schema.parse(options(i))
      const [owned] = kind.files?.(spec) ?? []
      const [effect] = kind.effects?.(spec) ?? []
      const becomes = effect !== undefined && 'becomes' in effect && effect.becomes !== 'absent' ? effect.becomes : { type: 'f' as const }
      const state = { type: 'f', mode: becomes.mode ?? '644', owner: 'root', group: 'root', target: '', sha256: owned?.sha256 }
      return kind.name === 'apt-pin' ? state : { file: state, reader: new Map() }
    }
    return [kind.name, { options, asWanted }]
  }),
)

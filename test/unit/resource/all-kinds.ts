import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AnyKind } from '../../../src/resource/kind/kind.ts'

const room = fileURLToPath(new URL('../../../src/resource', import.meta.url))
const kinds = new Map<string, AnyKind>()
for (const name of readdirSync(room, { recursive: true, encoding: 'utf8' }).filter((one) => one.endsWith('.ts'))) {
  for (const value of Object.values((await import(join(room, name))) as Record<string, unknown>)) {
    const kind = typeof value === 'function' && 'kind' in value ? (value.kind as AnyKind) : undefined
    if (kind !== undefined) kinds.set(kind.name, kind)
  }
}

/** Every kind that the source exports, by its name. */
export const allKinds: ReadonlyMap<string, AnyKind> = kinds

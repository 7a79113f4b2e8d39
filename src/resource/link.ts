import { z } from 'zod'
import { quote } from '../quote.ts'
import { probeInodes } from './asks.ts'
import { ABSENT, planAbsent, type SeenInode, typeName } from './inode.ts'
import { defineKind } from './kind.ts'
import { absolutePath, baseOf, parentOf } from './path.ts'
import { succeeded } from './step.ts'

const schema = z.strictObject({
  path: absolutePath,
  /** Where it points, absolute or relative to its own directory. */
  target: z.string().min(1).default('/dev/null'),
  state: z.enum(['present', 'absent']).default('present'),
})

/** A symbolic link. It is replaced in one rename, so there is no moment without it; a file or directory in its place is never removed. */
export const link = defineKind({
  name: 'link',
  schema,
  id: ({ path }) => path,
  observe: (specs: readonly z.output<typeof schema>[]) => probeInodes(specs.map(({ path }) => path)),

  plan: (want, seen: SeenInode, { packagesComing }) => {
    if (want.state === 'absent') return planAbsent(seen, packagesComing)
    if (seen === ABSENT) return { action: 'create', sure: 'exact', reason: 'not there', differences: [{ key: 'target', to: want.target }] }
    if (seen.type === 'l' && seen.target === want.target) return undefined
    const from = seen.type === 'l' ? seen.target : typeName(seen.type)
    return { action: 'update', sure: 'exact', reason: 'points elsewhere', differences: [{ key: 'target', from, to: want.target }] }
  },

  *apply(work) {
    const script = work.map(({ spec: { path, target, state } }) => {
      const staged = quote(`${parentOf(path) === '/' ? '' : parentOf(path)}/.${baseOf(path)}.provision-new`)
      return `[ ! -e ${quote(path)} ] || [ -L ${quote(path)} ] || { echo ${quote(`${path} is there and is no link`)} >&2; exit 1; }
${state === 'absent' ? `rm -f -- ${quote(path)}` : `ln -sfn -- ${quote(target)} ${staged} && mv -fT -- ${staged} ${quote(path)}`} || exit 1
sync ${quote(parentOf(path))}`
    })
    succeeded(yield { do: 'shell', script: script.join('\n') }, 'the links could not be made')
  },
})

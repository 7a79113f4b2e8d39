import { z } from 'zod'
import { quote } from '../quote.ts'
import { probeInodes } from './asks.ts'
import { inWords } from './differences.ts'
import { ABSENT, planAbsent, type SeenInode, typeName } from './inode.ts'
import { defineKind } from './kind.ts'
import { absolutePath, fileMode, ownership, parentOf } from './path.ts'
import { succeeded } from './step.ts'

const schema = z.strictObject({
  path: absolutePath,
  state: z.enum(['present', 'absent']).default('present'),
  mode: fileMode.default('755'),
  ...ownership,
})

/** A directory, its mode and owner. Its parent is a resource of its own; an absent one has to be empty. */
export const directory = defineKind({
  name: 'directory',
  schema,
  id: ({ path }) => path,
  observe: (specs: readonly z.output<typeof schema>[]) => probeInodes(specs.map(({ path }) => path)),

  plan: (want, seen: SeenInode, { packagesComing }) => {
    if (want.state === 'absent') return planAbsent(seen, packagesComing)
    if (seen === ABSENT) return { action: 'create', sure: 'exact', reason: 'not there', differences: [] }
    const differences = [
      ...(seen.type === 'd' ? [] : [{ key: 'type', from: typeName(seen.type), to: 'a directory' }]),
      ...(['mode', 'owner', 'group'] as const).flatMap((key) => (want[key] === seen[key] ? [] : [{ key, from: seen[key], to: want[key] }])),
    ]
    if (differences.length === 0) return undefined
    return { action: 'update', sure: 'exact', reason: inWords(differences), differences }
  },

  *apply(work) {
    const script = work.map(({ spec: { path, state, mode, owner, group } }) =>
      state === 'absent'
        ? `[ ! -e ${quote(path)} ] || rmdir -- ${quote(path)} || exit 1`
        : `{ [ ! -L ${quote(path)} ] && { [ ! -e ${quote(path)} ] || [ -d ${quote(path)} ]; }; } || { echo ${quote(`${path} is there and is no directory`)} >&2; exit 1; }
install -d -m ${mode} -o ${owner} -g ${group} -- ${quote(path)} || exit 1`,
    )
    succeeded(yield { do: 'shell', script: `${script.join('\n')}\nsync ${parentsOf(work)}` }, 'the directories could not be made')
  },
})

const parentsOf = (work: readonly { id: string }[]): string => [...new Set(work.map(({ id }) => quote(parentOf(id))))].join(' ')

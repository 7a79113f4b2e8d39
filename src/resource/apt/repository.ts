import { file } from '../file/file.ts'
import { describeDifferences } from '../kind/differences.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Change, type Difference, type DiffTexts, defineKind } from '../kind/kind.ts'
import type { Answers } from '../kind/queries.ts'
import { readKeyring } from './openpgp.ts'
import { applyRepositories } from './repository-apply.ts'
import { KEYS, keyPath, keyWork, type RepositoryState, sourcePath, sourceWork, trusted } from './repository-files.ts'
import { type RepositorySpec, schema } from './repository-spec.ts'

/**
 * A repository of packages in deb822 format, with the only key that may sign it. Its lists are read before it is added: a repository that
 * apt cannot read, or that another key signed, is refused and changes nothing. Packages that are declared after it are installed from it
 * in the same run.
 */
export const aptRepository = defineKind({
  name: 'apt-repository',
  summary: 'source of packages for apt, with its signing key',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly RepositorySpec[]) => {
    const files = file.kind.observe(specs.flatMap((spec) => [sourceWork(spec).spec, keyWork(spec).spec]))
    return {
      shared: { ...files.shared, texts: specs.map(keyPath) },
      script: files.script,
      parse: (stdout, answers) => {
        const states = files.parse(stdout, answers)
        return new Map(
          specs.flatMap((spec): readonly (readonly [string, RepositoryState])[] => {
            const [source, key] = [states.get(sourcePath(spec)), states.get(keyPath(spec))]
            if (source === undefined || key === undefined) return []
            const armored = trustedKey(spec, answers)
            return [[spec.name, { source, key, ...(armored !== undefined && { armored }) }]]
          }),
        )
      },
    }
  },

  plan: (spec, state: RepositoryState, context): Change | undefined => {
    const [ofSource, ofKey] = [sourceWork(spec, state), keyWork(spec, state)].map((one) => file.kind.plan(one.spec, one.state, context))
    const change = ofSource ?? ofKey
    if (change === undefined) return undefined
    const certainty = [ofSource, ofKey].some((one) => one?.certainty === 'dependent') ? 'dependent' : 'exact'
    if (spec.state === 'absent') return { ...change, certainty }
    const key: readonly Difference[] = ofKey === undefined ? [] : [{ key: 'key', to: spec.fingerprints.join(', ') }]
    if (state.source === ABSENT) return { ...change, certainty, differences: [...change.differences, ...key] }
    const differences = [...(ofSource?.differences ?? []), ...key]
    return {
      action: 'update',
      certainty,
      reason: ofSource?.differences.length === 0 ? ofSource.reason : describeDifferences(differences),
      differences,
    }
  },

  forbids: (spec, state, context) => {
    const [source, key] = [sourceWork(spec, state), keyWork(spec, state)]
    return file.kind.forbids?.(source.spec, source.state, context) ?? file.kind.forbids?.(key.spec, key.state, context)
  },
  contained: true,
  apply: applyRepositories,

  before: (work) => {
    const sources = work.map(({ spec, state, change }) => ({ ...sourceWork(spec, state), change }))
    const texts = file.kind.before?.(sources)
    if (texts === undefined) throw new Error('a file has no text')
    return {
      script: texts.script,
      read: (stdout) => {
        const found = texts.read(stdout)
        return new Map(
          work
            .flatMap(({ id, spec }) => [[id, found.get(sourcePath(spec))] as const])
            .flatMap(([id, bytes]) => (bytes === undefined ? [] : [[id, bytes]])),
        )
      },
    }
  },
  diff: ({ spec, state, change }, before) => {
    const full = file.kind.diff?.({ ...sourceWork(spec, state), change }, before)
    return full && { ...withoutKeys(full), full }
  },

  orphan: {
    delete: 'file',
    note: (id) =>
      `packages from it stay installed; if its key was fetched, that stays in ${KEYS}, where apt uses it for nothing else: ${keyPath({ name: id })}`,
  },
  content: (spec) => sourceWork(spec).spec.content,
  files: (spec) => file.kind.files?.(sourceWork(spec).spec) ?? [],
})

/** The fetched key that the host has, if it is exactly the declared one. */
const trustedKey = (spec: RepositorySpec, { texts }: Answers): string | undefined => {
  const lines = texts.get(keyPath(spec))
  if (spec.url === undefined || lines === undefined) return undefined
  const armored = `${lines.join('\n')}\n`
  const found = trusted(Buffer.from(armored), spec.fingerprints)
  return typeof found === 'object' && found.armored === armored ? armored : undefined
}

/** Replaces keys by their fingerprints. */
const withoutKeys = ({ before, after }: DiffTexts): DiffTexts => ({ before: shortened(before), after: shortened(after) })

const shortened = (text: string): string =>
  text.replaceAll(/^Signed-By:\n((?: .*\n)+)/gm, (whole, block: string) => {
    try {
      const lines = block.split('\n').map((line) => line.trim().replace(/^\.$/, ''))
      return `Signed-By: ${readKeyring(Buffer.from(lines.join('\n'))).fingerprints.join(' ')} (a part of this file)\n`
    } catch {
      return whole
    }
  })

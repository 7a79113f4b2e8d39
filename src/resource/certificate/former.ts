import { z } from 'zod'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, type InodeState, inodeWord, planUnreached, refuseUnreached, typeName } from '../kind/inode.ts'
import { type Change, defineKind } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { absolutePath } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { type Formers, listFormersScript } from './former-script.ts'
import { type CertificateState, isPair, observeCertificates } from './observe.ts'

export const formersSchema = z.strictObject({
  /** Path of the list. */
  path: absolutePath,
  /** Path of the list of the service's chains, one per line. */
  list: absolutePath,
  /** The declared certificates. */
  pairs: z.array(z.object({ path: absolutePath, names: z.array(z.string()) })),
})

export interface FormersState {
  readonly inode: InodeState
  /** SHA-256 of the list; undefined if it is missing. */
  readonly sha256: string | undefined
  readonly lines: readonly string[]
  /** Lines of the list of the service's chains. */
  readonly current: readonly string[]
  /** By path. */
  readonly pairs: ReadonlyMap<string, CertificateState>
}

const ACCESS = { mode: '644', owner: 'root', group: 'root' }

/**
 * A list of the chains that serve until all certificates are issued after a change of names, entries or key types. Declare it before
 * the list of the service's chains, and let the service load both, this one first. It is empty otherwise.
 */
export const formerCertificates = defineKind({
  name: 'former-certificates',
  summary: 'list of the certificates that serve until new ones are issued',
  schema: formersSchema,
  id: ({ path }) => path,

  observe: (specs) => {
    const pairs = observeCertificates([...new Set(specs.flatMap((spec) => spec.pairs.map(({ path }) => path)))])
    const own = specs.map(({ path }) => path)
    const { inodes = [], guarded = [], digests = [], texts = [] } = pairs.shared ?? {}
    return {
      ...pairs,
      shared: {
        ...pairs.shared,
        inodes: [...inodes, ...own],
        guarded: [...guarded, ...own],
        digests: [...digests, ...own],
        texts: [...texts, ...specs.flatMap(({ path, list }) => [path, list])],
      },
      parse: (stdout, answers) => {
        const states = pairs.parse(stdout, answers)
        const linesOf = (path: string): readonly string[] => (answers.texts.get(path) ?? []).filter((line) => line !== '')
        return new Map(
          specs.map(({ path, list }): [string, FormersState] => [
            path,
            {
              inode: inodeAt(answers, path),
              sha256: answers.digests.get(path),
              lines: linesOf(path),
              current: linesOf(list),
              pairs: states,
            },
          ]),
        )
      },
    }
  },

  plan: (spec, state: FormersState, { now, packagesPending }): Change | undefined => {
    const { inode, lines, current } = state
    const update = (reason: string, certainty: Change['certainty'] = 'exact'): Change => ({
      ...{ action: 'update', certainty, reason, differences: [] },
    })
    const unreached = planUnreached(inode)
    if (unreached !== undefined) return unreached
    // A package may bring the directory.
    if (inode === ABSENT) return { ...update('missing', packagesPending ? 'dependent' : 'exact'), action: 'create' }
    if (inode.type !== 'f') return update(`${typeName(inode.type)} at its path`)
    const missing = missingNames(spec, state, now)
    const others = current.filter((path) => !lines.includes(path) && spec.pairs.every((pair) => pair.path !== path))
    if (missing.length > 0 && others.length > 0)
      return update(`current certificates stay in use until one is issued for ${missing.join(', ')}`, 'dependent')
    if (missing.length === 0 && lines.length > 0) return update('all certificates are issued')
    const differences = differing(ACCESS, inode)
    return differences.length === 0 ? undefined : { ...update(describeDifferences(differences)), differences }
  },

  orphan: { keep: 'the service that loads it would not start without it' },

  apply: function* (work) {
    for (const { id, state } of work) refuseUnreached(id, state.inode)
    yield* inTurn(
      work,
      ({ spec, state: { inode, sha256 } }) =>
        listFormersScript(spec, { inode: inodeWord(inode), sha256, wanted: inodeWord({ type: 'f', ...ACCESS, target: '' }) }),
      {
        doing: 'listing the certificates that stay in use',
        failed: (id) => `${id} not written`,
        fix: 'declare the package openssl before it',
      },
    )
  },

  files: ({ path }) => [{ path, sha256: 'disk' }],
})

/** Names that their own certificates do not serve yet. */
const missingNames = ({ pairs }: Formers, state: FormersState, now: Date): readonly string[] => {
  const missing = pairs.flatMap(({ path, names }) => {
    const one = state.pairs.get(path)
    const { leaf } = one ?? {}
    if (one === undefined || leaf === undefined || leaf.placeholder || one.revoked || leaf.to <= now.getTime() || !isPair(one)) return names
    return names.filter((name) => !leaf.names.includes(name) && !leaf.names.includes(name.replace(/^[^.]+/, '*')))
  })
  return [...new Set(missing)]
}

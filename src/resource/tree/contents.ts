import { firstNames } from '../../first-names.ts'
import { sh } from '../../shell/sh.ts'
import { asText } from '../kind/content.ts'
import { planUnreached } from '../kind/inode.ts'
import { type DiffTexts, defineKind, type Work } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { excerptScript, readExcerpts } from '../kind/walk-read.ts'
import { deleteEntries } from './delete.ts'
import { listScript, MAX_ENTRIES, readEntries } from './list.ts'
import { directoriesAbove, matches } from './pattern.ts'
import { type ContentsSpec, type ContentsState, contentsSchema, type Entry } from './spec.ts'

/** What is in the directory of a tree and not in the project. With `delete` it is deleted; without, nothing is observed. */
export const contents = defineKind({
  name: 'tree',
  schema: contentsSchema,
  id: ({ path }) => path,

  observe: (specs: readonly ContentsSpec[]) => {
    const listed = specs.filter((spec) => spec.delete)
    return {
      shared: { inodes: listed.map(({ path }) => path) },
      script: listed.length === 0 ? sh`` : listScript(listed),
      parse: (stdout, answers) => {
        const found = readEntries(stdout)
        return new Map(
          specs.flatMap((spec): readonly (readonly [string, ContentsState])[] => {
            const entries = found.get(spec.path)
            if (!spec.delete) return [[spec.path, NOTHING]]
            return entries === undefined ? [] : [[spec.path, { inode: inodeAt(answers, spec.path), ...entries }]]
          }),
        )
      },
    }
  },

  plan: (spec, state, { deleted }) => {
    const unreached = planUnreached(state.inode)
    if (unreached !== undefined) return unreached
    const surplus = surplusOf(spec, state).filter(({ path }) => deleted?.has(`${spec.path}/${path}`) !== true)
    if (surplus.length === 0) return undefined
    return {
      action: 'update',
      certainty: 'exact',
      reason: `${surplus.length === 1 ? '1 entry is' : `${surplus.length} entries are`} not in the project`,
      differences: [{ key: 'deleted', to: firstNames(surplus.map(({ path }) => path).toSorted(), MAX_NAMES) }],
    }
  },

  // What provision made itself is an orphan, and recorded.
  prunes: ({ path, delete: deletes, exclude }, place) => {
    const below = place.startsWith(`${path}/`) ? place.slice(path.length + 1) : '.'
    return deletes && !matches(exclude, below) && !/(^|\/)\./.test(below)
  },

  forbids: ({ path }, { isCut }) =>
    isCut
      ? new HostRefusal(
          `${path} has more than ${MAX_ENTRIES} entries`,
          'provision compares no more of them with the project',
          'exclude the directories that have many, or leave delete out',
        )
      : undefined,

  *apply(work) {
    yield* deleteEntries(work.map((one) => ({ ...one, surplus: surplusOf(one.spec, one.state) })))
  },

  before: (work) => ({
    script: excerptScript({ paths: work.flatMap(shownPaths), bytes: MAX_SHOWN_BYTES }),
    read: (stdout) => {
      const texts = readExcerpts(stdout)
      const of = (one: ContentsWork): string =>
        shownPaths(one)
          .map((path) => texts.get(path)?.toString('base64') ?? '')
          .join('\n')
      return new Map(work.map((one) => [one.id, Buffer.from(of(one))]))
    },
  }),

  diff: (one, before) => {
    const texts = (before?.toString() ?? '').split('\n').map((text) => Buffer.from(text, 'base64'))
    const [first, ...more] = shownPaths(one).flatMap((path, i): readonly DiffTexts[] => {
      const bytes = texts[i] ?? Buffer.alloc(0)
      const shown = bytes.length >= MAX_SHOWN_BYTES || bytes.length === 0 ? undefined : asText(bytes)
      return shown === undefined ? [] : [{ name: path.slice(one.spec.path.length + 1), before: shown, after: '' }]
    })
    return first === undefined ? undefined : { ...first, more }
  },

  contained: true,
  effects: () => [],
  orphan: { forget: true },
  files: ({ path, files }) => files.map((one) => ({ path: `${path}/${one.path}`, sha256: one.sha256 })),
})

type ContentsWork = Work<ContentsSpec, ContentsState>

const NOTHING: ContentsState = { inode: 'absent', entries: [], kept: [], isCut: false }

const MAX_NAMES = 50

/** Limits of a diff: number of files, and bytes of each. */
const MAX_SHOWN_FILES = 8
const MAX_SHOWN_BYTES = 16_384

/** Files that every account of the host can read. */
const shownPaths = ({ spec, state }: ContentsWork): readonly string[] =>
  surplusOf(spec, state)
    .filter(({ description }) => /^f [0-7]*[4567] /.test(description))
    .slice(0, MAX_SHOWN_FILES)
    .map(({ path }) => `${spec.path}/${path}`)

/** Entries that are neither declared nor left alone; the content of a directory before the directory. */
const surplusOf = ({ files }: ContentsSpec, { entries, kept }: ContentsState): readonly Entry[] => {
  const declared = files.map(({ path }) => path)
  const staying = new Set([...declared, ...[...declared, ...kept].flatMap(directoriesAbove)])
  return entries.filter(({ path }) => !staying.has(path)).toReversed()
}

import { sh } from '../../shell/sh.ts'
import { asText, bytesOf, hasSecret, isKnown, sha256Hex, sha256Of, shownText } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, planAbsent, planUnreached, typeName } from '../kind/inode.ts'
import { type Difference, defineKind } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answers, inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { excerptScript, readExcerpts } from '../kind/walk-read.ts'
import { applyFiles } from './apply.ts'
import { type FileSpec, type FileState, isWorldReadable, keeping, schema } from './spec.ts'
import { wrongType } from './wrong-type.ts'

/** A regular file: content, mode and owner. Its directory is a separate resource. */
export const file = defineKind({
  name: 'file',
  summary: 'file with content, mode and owner',
  schema,
  id: ({ path }) => path,

  observe: (specs: readonly FileSpec[]) => {
    const paths = specs.map(({ path }) => path)
    return {
      shared: { inodes: paths, digests: paths, sizes: new Map(specs.flatMap(largeSize)) },
      script: sh``,
      parse: (_, answers) => new Map(paths.map((path) => [path, fileStateOf(answers, path)])),
    }
  },

  plan: (declared, state, { packagesPending }) => {
    const unreached = planUnreached(state)
    if (unreached !== undefined) return unreached
    if (declared.state === 'absent') return planAbsent(state, packagesPending)
    if (declared.isOnlyCreated && state !== ABSENT && 'fl'.includes(state.type)) return undefined
    const spec = keeping(declared, state)
    const known = isKnown(spec.content)
    const certainty = known ? 'exact' : 'dependent'
    if (state === ABSENT) return { action: 'create', certainty, reason: 'missing', differences: hidden(spec) }
    const differences = differencesOf(spec, state)
    return differences.length === 0 ? undefined : { action: 'update', certainty, reason: describeDifferences(differences), differences }
  },

  accounts: (spec) => (spec.state === 'absent' ? {} : { users: [spec.owner], groups: [spec.group] }),
  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, state, content, mode, owner, group, keepsMode, keepsOwner, isOnlyCreated }) => {
    // What an existing file keeps is unknown here.
    if (isOnlyCreated) return [{ path, becomes: { type: 'f' } }]
    const access = { ...(!keepsMode && { mode }), ...(!keepsOwner && { owner, group }) }
    const text = hasSecret(content) || content.type === 'local' || !isKnown(content) ? undefined : asText(bytesOf(content))
    return [{ path, becomes: state === 'absent' ? 'absent' : { type: 'f', ...access, ...(text !== undefined && { text }) } }]
  },
  contained: true,
  forbids: (spec, state, context) =>
    wrongType(spec.path, state, { what: 'a file', types: 'fl', state: spec.state }, context) ??
    emptied(spec, state) ??
    exposing(keeping(spec, state)),
  apply: applyFiles,

  before: (work) => ({
    script: excerptScript({
      paths: work.filter(({ spec, state }) => isReadable(keeping(spec, state), state)).map(({ id }) => id),
      // One more shows that the file is longer.
      bytes: MAX_SHOWN_BYTES + 1,
    }),
    read: readExcerpts,
  }),

  diff: ({ spec: declared, state, change }, before) => {
    const spec = keeping(declared, state)
    if (hasSecret(spec.content) || !isWorldReadable(spec.mode) || !isReadable(spec, state, true)) return undefined
    if (change.action !== 'delete' && !change.differences.some(({ key }) => key === 'content') && state !== ABSENT) return undefined
    const old = state === ABSENT ? '' : before && isShort(before.length) ? asText(before) : undefined
    const after = change.action === 'delete' ? '' : shownText(spec.content)
    return old === undefined || after === undefined || !isShort(Buffer.byteLength(after)) ? undefined : { before: old, after }
  },

  orphan: { delete: 'file' },
  content: ({ content }) => content,
  files: ({ path, state, content, isOnlyCreated }) => [
    { path, sha256: state === 'absent' ? 'absent' : isOnlyCreated ? 'disk' : (sha256Of(content) ?? 'later') },
  ],
})

/** The refusal of a resource that declares no content for a file that has some: people mean its mode or owner. */
const emptied = ({ path, hasNoContent }: FileSpec, state: FileState): HostRefusal | undefined =>
  hasNoContent !== true || state === ABSENT || state.type !== 'f' || state.sha256 === undefined || state.sha256 === sha256Hex('')
    ? undefined
    : new HostRefusal(
        `${path} is not emptied`,
        'the file has content, and the resource declares none',
        "declare `content`, or `content: ''` for an empty file; the kind `permissions` sets only mode and owner",
      )

/** The refusal of a secret in a file that keeps a mode with which every account can read it. */
const exposing = ({ path, state, content, mode }: FileSpec): HostRefusal | undefined =>
  state === 'absent' || !hasSecret(content) || !isWorldReadable(mode)
    ? undefined
    : new HostRefusal(
        `${path} would show a secret`,
        `every account can read it (mode ${mode}), and it keeps its mode`,
        'leave keepMode out, or change its mode on the host',
      )

/** Limit of a file in a diff, in bytes. */
const MAX_SHOWN_BYTES = 65_536

const isShort = (bytes: number): boolean => bytes <= MAX_SHOWN_BYTES

/** The content as a difference. Plans print it where they cannot show a diff. */
const contentDifference = (spec: FileSpec, state: FileState): Difference => {
  if (hasSecret(spec.content)) return { key: 'content', to: 'not shown, because it contains a secret' }
  const [mode] = [spec.mode, ...(state === ABSENT ? [] : [state.mode])].filter((one) => !isWorldReadable(one))
  if (mode !== undefined) return { key: 'content', to: `not shown, because other accounts cannot read it (mode ${mode})` }
  const size = sizeOf(spec.content)
  return { key: 'content', ...(size !== undefined && { to: `${size} bytes${isShort(size) ? '' : ', too long to show'}` }) }
}

/** The content of a new file that has no diff. */
const hidden = (spec: FileSpec): readonly Difference[] => {
  const size = sizeOf(spec.content)
  const isShown = !hasSecret(spec.content) && isWorldReadable(spec.mode) && (size === undefined || isShort(size))
  return isShown ? [] : [contentDifference(spec, ABSENT)]
}

const sizeOf = (content: FileSpec['content']): number | undefined => {
  if (content.type === 'local') return content.size
  return isKnown(content) ? bytesOf(content).length : undefined
}

const differencesOf = (spec: FileSpec, state: Exclude<FileState, typeof ABSENT>): readonly Difference[] => {
  if (state.type !== 'f') return [{ key: 'type', from: typeName(state.type), to: 'a file' }]
  const sum = sha256Of(spec.content)
  return [
    ...(sum === undefined || sum !== state.sha256 ? [contentDifference(spec, state)] : []),
    ...differing({ mode: spec.mode, owner: spec.owner, group: spec.group }, state),
  ]
}

// Files that not everybody on the host may read are not shown: the old side of a diff can contain a secret too.
const isReadable = (spec: FileSpec, state: FileState, orAbsent = false): boolean =>
  state === ABSENT ? orAbsent : state.type === 'f' && isWorldReadable(state.mode) && isWorldReadable(spec.mode)

const largeSize = ({ path, content }: FileSpec): readonly (readonly [string, number])[] =>
  content.type === 'local' ? [[path, content.size]] : []

const fileStateOf = (answers: Answers, path: string): FileState => {
  const inode = inodeAt(answers, path)
  const sha256 = answers.digests.get(path)
  return inode === ABSENT || sha256 === undefined ? inode : { ...inode, sha256 }
}

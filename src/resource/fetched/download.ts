import { sh } from '../../shell/sh.ts'
import { wrongType } from '../file/wrong-type.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, planAbsent, planUnreached, typeName } from '../kind/inode.ts'
import { type Difference, defineKind } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { applyDownloads } from './download-apply.ts'
import { type DownloadSpec, type DownloadState, schema } from './download-spec.ts'

/**
 * A file from a URL, known by its SHA-256. The observation compares the sum, so nothing is fetched while the file is as declared. A transfer
 * that was cut, or that has another sum, never reaches the path.
 */
export const download = defineKind({
  name: 'download',
  summary: 'file from a URL, known by its SHA-256',
  schema,
  id: ({ path }) => path,

  observe: (specs: readonly DownloadSpec[]) => {
    const paths = specs.map(({ path }) => path)
    return {
      shared: { inodes: paths, digests: paths, sizes: new Map(specs.map(({ path, maxBytes }) => [path, maxBytes])) },
      script: sh``,
      parse: (_, answers) =>
        new Map(
          paths.map((path): [string, DownloadState] => {
            const inode = inodeAt(answers, path)
            const sha256 = answers.digests.get(path)
            return [path, inode === ABSENT || sha256 === undefined ? inode : { ...inode, sha256 }]
          }),
        ),
    }
  },

  plan: (spec, state, { packagesPending }) => {
    const unreached = planUnreached(state)
    if (unreached !== undefined) return unreached
    if (spec.state === 'absent') return planAbsent(state, packagesPending)
    const content: Difference = { key: 'content', to: `${spec.url}, SHA-256 ${spec.sha256}` }
    if (state === ABSENT) return { action: 'create', certainty: 'exact', reason: 'missing', differences: [content] }
    const differences =
      state.type === 'f'
        ? [
            ...(state.sha256 === spec.sha256 ? [] : [{ ...content, from: `SHA-256 ${state.sha256 ?? 'unknown'}` }]),
            ...differing({ mode: spec.mode, owner: spec.owner, group: spec.group }, state),
          ]
        : [{ key: 'type', from: typeName(state.type), to: 'a file' }]
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  accounts: (spec) => (spec.state === 'absent' ? {} : { users: [spec.owner], groups: [spec.group] }),
  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, state, mode, owner, group }) => [{ path, becomes: state === 'absent' ? 'absent' : { type: 'f', mode, owner, group } }],
  contained: true,
  forbids: (spec, state, context) => wrongType(spec.path, state, { what: 'a file', types: 'fl', state: spec.state }, context),
  apply: applyDownloads,
  orphan: { delete: 'file' },
  files: ({ path, state, sha256 }) => [{ path, sha256: state === 'absent' ? 'absent' : sha256 }],
})

import { defineComposite } from '../composite.ts'
import { directory } from '../file/directory.ts'
import { file } from '../file/file.ts'
import type { Resource } from '../kind/kind.ts'
import { contents } from './contents.ts'
import { directoriesAbove, matches } from './pattern.ts'
import { type TreeOptions, treeSchema } from './spec.ts'

/**
 * A directory of the project on a host: each directory and file is a resource, so that plans, records and `--prune` name it. One more
 * resource, `tree:PATH`, stands for all of them, and deletes what is not in the project.
 */
export const tree = defineComposite({
  name: 'tree',
  summary: 'directory of the project, copied file by file',
  schema: treeSchema,
  resources: (options) => [...directoriesOf(options), ...filesOf(options), contentsOf(options)],
})

const directoriesOf = ({ path, files, owner, group, directoryMode }: TreeOptions): readonly Resource[] => {
  const below = [...new Set(files.flatMap((one) => directoriesAbove(one.path)))].toSorted()
  return ['', ...below.map((one) => `/${one}`)].map((one) => directory({ path: `${path}${one}`, mode: directoryMode, owner, group }))
}

const filesOf = (options: TreeOptions): readonly Resource[] => {
  const { path, files, owner, group } = options
  return files.map((one) => file({ path: `${path}/${one.path}`, content: one.content, mode: modeOf(options, one), owner, group }))
}

const modeOf = ({ mode, executable }: TreeOptions, { path, content }: TreeOptions['files'][number]): string => {
  const isExecutable = executable === undefined ? content.isExecutable === true : matches(executable, path)
  const bits = Number.parseInt(mode, 8)
  return (isExecutable ? bits | ((bits & 0o444) >> 2) : bits).toString(8)
}

const contentsOf = ({ path, files, exclude, delete: deletes }: TreeOptions): Resource =>
  contents({
    ...{ path, exclude, delete: deletes },
    files: files.map((one) => ({ path: one.path, sha256: one.content.sha256 })),
  })

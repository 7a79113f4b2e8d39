import { Problem, placeOf } from '../../problem.ts'
import type { Text } from '../../resource/kind/content.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { emptyNode, type SourceNode } from '../../site/source/source-map.ts'
import { namingFiles } from '../files.ts'
import { findProjectFile } from '../project-file.ts'
import type { HostContext } from '../role.ts'
import { render } from '../template/render.ts'
import { fromNode, type Value } from '../template/value.ts'
import type { Scope } from './scope.ts'
import { ROOTS } from './template.ts'

/** A template that YAML names: its path below the project, where it is named, and its values. */
export interface NamedTemplate {
  readonly path: string
  readonly node: SourceNode
  readonly values: SourceNode | undefined
}

/** Renders a template with `values` and the maps that references name. Moves problems without a line to where it is named. */
export const rendered = (
  { path, node, values = emptyNode(node.place) }: NamedTemplate,
  files: HostContext<unknown>['files'],
  scope: Scope,
): Text => {
  if (values.is !== 'map') throw inputProblem(values.place, '`values` is not a map', 'write them as indented `key: value` lines')
  const given = new Map<string, () => Value>([['values', () => fromNode(values)]])
  for (const root of ROOTS) {
    const read = scope[root]
    if (read !== undefined) given.set(root, () => fromNode(read()))
  }
  try {
    return namingFiles(files, () => render(path, (name) => findProjectFile({ files }, name), given))
  } catch (error) {
    if (!(error instanceof Problem) || !('file' in error.where)) throw error
    const { where, what, fix, why } = error
    if (where.line === undefined) throw inputProblem(node.place, `${where.file}: ${what}`, fix, why)
    throw inputProblem(where, what, fix, why ?? `the template is named at ${placeOf(node.place)}`)
  }
}

import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Text } from '../../resource/kind/content.ts'
import { named, namingFiles, projectFiles } from '../files.ts'
import { findProjectFile } from '../project-file.ts'
import type { HostContext } from '../role.ts'
import { render } from './render.ts'
import { fromPlain } from './value.ts'

/**
 * Renders a template with values, which it names as `values.NAME`. The path begins at the directory of the project if `from` is the context
 * of the role, and at a folder if that is its URL: `new URL('.', import.meta.url)`. Includes stay below the same directory. Secrets stay
 * secrets. Throws a `Problem` with file, line and column for a mistake in the template, or a name without a value.
 */
export const template = (
  from: Pick<HostContext<unknown>, 'files'> | URL,
  path: string,
  values: Readonly<Record<string, unknown>> = {},
): Text => {
  const files = from instanceof URL ? filesOf(from) : from.files
  const given = new Map([['values', () => fromPlain(values, 'values')]])
  return namingFiles(files, () => render(path, (name) => findProjectFile({ files }, name), given))
}

const filesOf = (url: URL): HostContext<unknown>['files'] => {
  const folder = fileURLToPath(url)
  const files: HostContext<unknown>['files'] = (directory, name) => projectFiles(folder, directory, name)
  return named(files, (path) => relative(process.cwd(), join(folder, path)))
}

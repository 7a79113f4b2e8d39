import { mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { project } from '../../site/project.ts'

/** The files of an installed package. `declares` is the field `provision` of its package.json. */
export const packageFiles = (name: string, declares: unknown, files: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(
    Object.entries({
      'package.json': JSON.stringify({ name, version: '1.2.3', type: 'module', provision: declares }, null, 2),
      ...files,
    }).map(([path, text]) => [`node_modules/${name}/${path}`, text]),
  )

/** A project that depends on packages. */
export const projectWith = (names: readonly string[], files: Readonly<Record<string, string>>): string =>
  project({ 'package.json': JSON.stringify({ dependencies: Object.fromEntries(names.map((name) => [name, '1'])) }), ...files })

/** The same, with each package linked as in a workspace. Vitest leaves what is in node_modules to Node, which does not know 'provision' here. */
export const linkedProject = (names: readonly string[], files: Readonly<Record<string, string>>): string => {
  const root = projectWith(names, files)
  for (const name of names) {
    const [from, to] = [join(root, 'node_modules', name), join(root, 'packages', name)]
    mkdirSync(dirname(to), { recursive: true })
    renameSync(from, to)
    symlinkSync(to, from)
  }
  return root
}

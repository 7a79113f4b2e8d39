import { archive } from '../fetched/archive.ts'
import { git } from '../fetched/git.ts'
import { type LocalFile, sha256Hex } from '../kind/content.ts'
import type { Resource } from '../kind/kind.ts'
import { tar } from '../kind/tar.ts'
import { modifiedOf } from '../release/observe.ts'
import { type ApplicationOptions, gitOptions } from './options.ts'

/** Account that reads sources and runs builds. Nothing else runs as it. */
export const BUILDER = 'provision-build'

/** A file of the project, by its path in the source. */
export interface SourceFile {
  readonly path: string
  readonly content: LocalFile
}

const digests = new Map<string, string>()

/** Packs files as a tar archive. Times follow from the content, so that it is the same in every checkout. */
export const packed = (name: string, files: readonly SourceFile[]): LocalFile => {
  const open = (): Uint8Array =>
    tar(
      files.map(({ path, content }) => ({
        ...{ name: path, mode: content.isExecutable === true ? '755' : '644', owner: 'root', group: 'root' },
        ...{ bytes: content.open(), modified: modifiedOf(content) },
      })),
    )
  const listing = sha256Hex(files.map(({ path, content }) => `${content.sha256} ${content.isExecutable === true} ${path}\0`).join(''))
  const sha256 = digests.get(listing) ?? sha256Hex(open())
  digests.set(listing, sha256)
  return { type: 'local', path: `${name}.tar`, sha256, size: files.reduce((sum, { content }) => sum + content.size, 0), open }
}

/** The source as a resource below the root of an application. `files` are those of a directory or archive. */
export const sourceResource = (
  { name, root }: { readonly name: string; readonly root: string },
  source: NonNullable<ApplicationOptions['source']>,
  files: readonly SourceFile[],
): Resource =>
  typeof source === 'string'
    ? archive({ path: `${root}/source`, content: packed(name, files), delete: true })
    : git({ ...gitOptions(source, `${root}/checkout`, BUILDER), discard: true })

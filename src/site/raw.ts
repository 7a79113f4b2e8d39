import type { Environment } from '../environment.ts'
import type { Problem } from '../problem.ts'
import type { Secret } from '../secret/secret.ts'
import type { CommandOutput } from './reference/command-source.ts'

/** Text of a file. The path is relative to the project, as the user typed it. */
export interface RawFile {
  readonly path: string
  readonly text: string
  /** The file is part of a package, which may not refer to the environment, secrets and commands of the project. */
  readonly isPackaged?: boolean
}

/** All input files of a project, not parsed yet. */
export interface RawProject {
  /** The project's directory, absolute. */
  readonly root: string
  readonly inventory: readonly RawFile[]
  readonly playbooks: readonly RawFile[]
  /** Roles in YAML, by name. */
  readonly roles?: ReadonlyMap<string, RawFile>
  /** Path of the secrets file, whether it exists or not. */
  readonly secretsPath: string
  /** Decrypted secrets; read only if a file refers to them. */
  readonly secrets?: { readonly path: string; readonly text: Secret }
  /** Whether secrets exist but could not be decrypted; `problems` has the reason. */
  readonly secretsUnreadable: boolean
  readonly env: Environment
  /** Runs a command of a `${command:…}` reference. */
  readonly command: (line: string) => CommandOutput
  /** Home directory, for paths that begin with `~/`. */
  readonly home: string
  /** Default login name. */
  readonly user: string
  /** Problems while reading the files. */
  readonly problems: readonly Problem[]
  /** Files that are ignored, shown as a warning. */
  readonly warnings?: readonly Problem[]
}

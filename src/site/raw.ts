import type { Problem } from '../problem.ts'
import type { Secret } from '../secret/secret.ts'
import type { FromCommand } from './reference/command-source.ts'

/** A file as it was read; its path is relative to the project, as the user typed it. */
export interface RawFile {
  readonly path: string
  readonly text: string
}

/** All that the user wrote, read but not yet understood. */
export interface RawProject {
  /** The project's directory, absolute. */
  readonly root: string
  readonly inventory: readonly RawFile[]
  readonly playbooks: readonly RawFile[]
  /** Where the secrets belong, whether or not there are any. */
  readonly secretsPath: string
  /** The decrypted secrets; only read where a file refers to them. */
  readonly secrets?: { readonly path: string; readonly text: Secret }
  /** There are secrets, but they could not be decrypted; `problems` says why. */
  readonly secretsUnreadable: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** Runs a command that a value is to come from. */
  readonly command: (line: string) => FromCommand
  /** Where `~/` leads, and who logs in where nobody is named. */
  readonly home: string
  readonly user: string
  /** What went wrong in reading. */
  readonly problems: readonly Problem[]
}

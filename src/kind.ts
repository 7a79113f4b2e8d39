// Names for authors of kinds: `import { defineKind } from 'provision/kind'`. docs/writing-kinds.md builds a kind with them.
export { z } from 'zod'
export { defineComposite } from './resource/composite.ts'
export { file } from './resource/file/file.ts'
export type { CurrentFile, NewFile } from './resource/file/write.ts'
export { readText, writeFiles } from './resource/file/write.ts'
export { commitConfirm } from './resource/guarded/commit-confirm.ts'
export type { Trial, TrialState } from './resource/guarded/trial.ts'
export { readTrial, trialHistory, trialQueries, trialScript } from './resource/guarded/trial.ts'
export { records } from './resource/kind/chunks.ts'
export type { Content, Later, LocalFile, Text, TextPart } from './resource/kind/content.ts'
export {
  asContent,
  asText,
  bytesOf,
  hasSecret,
  isKnown,
  latersIn,
  MADE_IN_THIS_RUN,
  sha256Hex,
  sha256Of,
  shownText,
  text,
} from './resource/kind/content.ts'
export { describeDifferences, differing } from './resource/kind/differences.ts'
export type { Inode, InodeState } from './resource/kind/inode.ts'
export { ABSENT, planAbsent, planUnreached, refuseUnreached, refuseUnsafe, typeName } from './resource/kind/inode.ts'
export type {
  Action,
  AnyKind,
  Certainty,
  Change,
  Difference,
  DiffTexts,
  Effect,
  Kind,
  KindQuery,
  ManagedFile,
  PlanContext,
  Resource,
  ShownDiff,
  Signature,
  Work,
} from './resource/kind/kind.ts'
export { defineKind, keyOf } from './resource/kind/kind.ts'
export { wholeNumber } from './resource/kind/number.ts'
export { inTurn } from './resource/kind/one-by-one.ts'
export type { OrphanPolicy } from './resource/kind/orphan-policy.ts'
export { absolutePath, accountName, baseOf, fileMode, ownership, parentOf } from './resource/kind/path.ts'
export type { Answers, Member, Query, SharedQueries } from './resource/kind/queries.ts'
export { digestAt, inodeAt, inodeQuery, NO_FILE } from './resource/kind/queries.ts'
export { secret } from './resource/kind/secret.ts'
export type { Answer, FetchStep, IdentityStep, NoticeStep, ReconnectStep, ShellStep, Step, Steps } from './resource/kind/step.ts'
export { HostRefusal, outputExcerpt, requireSuccess } from './resource/kind/step.ts'
export { CHANGED, guardScript, UNSAFE, walk } from './resource/kind/walk.ts'
export { excerptScript, readExcerpts } from './resource/kind/walk-read.ts'
export { Secret } from './secret/secret.ts'
export { commandLine, quote } from './shell/quote.ts'
export type { ShellText } from './shell/script.ts'
export { raw, Script } from './shell/script.ts'
export type { ShellValue } from './shell/sh.ts'
export { glob, hereDocument, join, sh } from './shell/sh.ts'

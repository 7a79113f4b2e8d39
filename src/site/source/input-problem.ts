import { Problem, type Where } from '../../problem.ts'

/** A position in a file. */
export type Place = Extract<Where, { file: string }>

/** Returns an input problem. */
export const inputProblem = (where: Where, what: string, fix: string, why?: string): Problem =>
  new Problem({ class: 'input', where, what, fix, ...(why === undefined ? {} : { why }) })

/** Compares problems of one file by their positions. Those of other files keep their order. */
export const inFileOrder = ({ where: a }: Problem, { where: b }: Problem): number => {
  if (!('file' in a) || !('file' in b) || a.file !== b.file) return 0
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}

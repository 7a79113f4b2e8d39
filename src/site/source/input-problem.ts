import { Problem, type Where } from '../../problem.ts'

/** A position in a file. */
export type Place = Extract<Where, { file: string }>

/** Returns an input problem. */
export const inputProblem = (where: Where, what: string, fix: string, why?: string): Problem =>
  new Problem({ class: 'input', where, what, fix, ...(why === undefined ? {} : { why }) })

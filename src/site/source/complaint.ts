import { Problem, type Where } from '../../problem.ts'

/** A place in a file; the places of everything that was written. */
export type Place = Extract<Where, { file: string }>

/** An input error: what is wrong at a place of a file, and what to do about it. */
export const complaint = (where: Where, what: string, fix: string, why?: string): Problem =>
  new Problem({ class: 'input', where, what, fix, ...(why === undefined ? {} : { why }) })

import { Problem, type Where } from '../../problem.ts'

/** A position in a file. */
export type Place = Extract<Where, { file: string }>

/** Returns an input problem. */
export const inputProblem = (where: Where, what: string, fix: string, why?: string): Problem =>
  new Problem({ class: 'input', where, what, fix, ...(why === undefined ? {} : { why }) })

/** Sorts problems by their positions in a file. Files are in the order in which they are first named. */
export const inFileOrder = (problems: readonly Problem[]): readonly Problem[] => {
  const place = ({ where }: Problem): Place => ('file' in where ? where : { file: '' })
  const files = [...new Set(problems.map((problem) => place(problem).file))]
  return problems.toSorted((one, other) => {
    const [a, b] = [place(one), place(other)]
    return files.indexOf(a.file) - files.indexOf(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
  })
}

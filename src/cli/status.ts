import type { Problem } from '../problem.ts'

/** Returns the exit status for problems: the first of 3, 1, 4; 0 without problems. */
export const statusOf = (problems: readonly Problem[]): number => {
  const classes = new Set(problems.map((problem) => problem.class))
  if (classes.has('input')) return 3
  if (classes.has('task')) return 1
  return classes.has('unreachable') ? 4 : 0
}

/** Exit status of a run that the user interrupted. */
export const INTERRUPTED = 130

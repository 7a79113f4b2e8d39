import type { Problem } from '../problem.ts'

/** The exit status that some problems stand for: the first of 3, 1, 4; 0 where there are none. */
export const statusOf = (problems: readonly Problem[]): number => {
  const classes = new Set(problems.map((problem) => problem.class))
  if (classes.has('input')) return 3
  if (classes.has('task')) return 1
  return classes.has('unreachable') ? 4 : 0
}

/** Somebody asked to stop. */
export const INTERRUPTED = 130

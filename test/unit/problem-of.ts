import { Problem } from '../../src/problem.ts'

/** Returns the problem that an act or a promise fails with. Any other outcome is an error. */
export const problemOf = async (act: (() => unknown) | Promise<unknown>): Promise<Problem> => {
  try {
    await (typeof act === 'function' ? act() : act)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('there was no problem')
}

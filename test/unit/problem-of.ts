import { Problem } from '../../src/problem.ts'

/** The problem that this ends with; any other end is an error. */
export const problemOf = async (act: () => unknown): Promise<Problem> => {
  try {
    await act()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('there was no problem')
}

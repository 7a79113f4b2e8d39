import type { Problem, Where } from '../../problem.ts'
import { isSecret, isTooShort } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'

/** Warns about a secret that is too short to be masked in the output of programs. */
export const shortSecretWarnings = (value: unknown, where: Where, name: string): readonly Problem[] =>
  isSecret(value) && isTooShort(value.reveal())
    ? [inputProblem(where, `\`${shownText(name)}\` is too short to be masked within other text`, 'use at least 12 characters')]
    : []

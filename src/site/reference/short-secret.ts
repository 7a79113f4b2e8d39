import type { Problem, Where } from '../../problem.ts'
import { isSecret, isTooShort } from '../../secret/secret.ts'
import { complaint } from '../source/complaint.ts'

/** A warning about a secret, under the name that whoever wrote it knows it by, where it is too short to be found in what programs say. */
export const ifTooShort = (value: unknown, where: Where, name: string): readonly Problem[] =>
  isSecret(value) && isTooShort(value.reveal())
    ? [complaint(where, `\`${name}\` is too short to be masked where it stands in other text`, 'use at least 12 characters')]
    : []

import { z } from 'zod'
import { accountName } from '../kind/path.ts'
import { bytesAsText, keyProblem, type PublicKey, readKey } from './public-key.ts'

export const schema = z.strictObject({
  user: accountName.meta({ description: 'the user who may log in with the keys', examples: ['ops'] }),
  keys: z
    .array(
      z.string().superRefine((line, context) => {
        const fault = keyProblem(line)
        if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
      }),
    )
    .transform((lines): readonly PublicKey[] => lines.map((line) => readKey(bytesAsText(line))).filter((key) => key !== undefined))
    .meta({ description: 'lines as in authorized_keys; a key removed from this list is removed from the host' }),
  exclusive: z
    .boolean()
    .default(false)
    .meta({ description: 'delete keys that provision did not write, in every file that sshd reads for the user' }),
})

export type AuthorizedKeysSpec = z.output<typeof schema>

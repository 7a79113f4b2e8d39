import { z } from 'zod'
import { isSecret, Secret } from '../../secret/secret.ts'

/**
 * An option that is a secret: `password: secret()`. What the user took from the environment or from secrets.yaml stays one;
 * what was written in the clear becomes one, so that it is masked from here on.
 */
export const secret = () =>
  z
    .custom<string | Secret>((value) => isSecret(value) || (typeof value === 'string' && value !== ''), {
      error: 'must be text that is not empty',
      params: { secret: true, fix: `write \${env:NAME}, or \${secret:name} for a value of secrets.yaml` },
    })
    .transform((value) => (isSecret(value) ? value : new Secret(value)))

import { z } from 'zod'
import { isSecret, Secret } from '../../secret/secret.ts'

/**
 * An option that is a secret: `password: secret()`. A value of the environment or of secrets.yaml is one already; a value in plain text
 * becomes one here, and is masked from then on.
 */
export const secret = () =>
  z
    .custom<string | Secret>((value) => isSecret(value) || (typeof value === 'string' && value !== ''), {
      error: 'must be text that is not empty',
      params: { secret: true, fix: `write \${env:NAME}, or \${secret:name} for a value of secrets.yaml` },
    })
    .transform((value) => (isSecret(value) ? value : new Secret(value)))

import { type Secret, secret, z } from 'provision'

/** Credentials for another server: HTTP Basic, or a token. */
export const access = z
  .union([
    z.strictObject({
      user: z.string().regex(/^[^\p{Cc}:]+$/u, 'must be a user name without a colon'),
      password: secret(),
    }),
    z.strictObject({ token: secret() }),
  ])
  .meta({ description: '`user` and `password` for HTTP Basic, or `token` for the header `Authorization: Bearer`' })

/** Address of another server, without a password. */
export const serverUrl = z
  .url({ protocol: /^https?$/ })
  .refine((url) => new URL(url).username === '', 'must not contain a password; write it as `auth`')

/** A PEM file of the project with the authority of another server. */
export const authorityFile = (of: string) =>
  z
    .string()
    .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a PEM file of the project')
    .optional()
    .meta({
      description: `PEM file of the project with the authority of the ${of}, if it is not a public one`,
      examples: ['authorities/mail.pem'],
    })

/** Settings of Prometheus, Alertmanager and the blackbox exporter for a connection to another server. */
export const clientSettings = (auth: Access | undefined, ca_file: string | undefined): ClientSettings => ({
  ...(auth !== undefined && 'token' in auth && { authorization: { type: 'Bearer', credentials: auth.token } }),
  ...(auth !== undefined && 'user' in auth && { basic_auth: { username: auth.user, password: auth.password } }),
  ...(ca_file !== undefined && { tls_config: { ca_file } }),
})

export type Access = z.output<typeof access>

type ClientSettings = Readonly<Record<string, Readonly<Record<string, string | Secret>>>>

import { secret, z } from 'provision'

const s3Options = z.strictObject({
  endpoint: z
    .string()
    .regex(
      /^https:\/\/(?=.{1,253}(?::|$))([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(:\d{1,5})?$/,
      'must be an address such as https://s3.example.com',
    )
    .meta({ description: 'address of the storage', examples: ['https://s3.eu-central-1.amazonaws.com'] }),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be a region such as eu-central-1')
    .default('us-east-1')
    .meta({ description: 'region of the bucket' }),
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket: lower-case letters, digits, dots and dashes')
    .meta({ description: 'bucket, which must exist', examples: ['shop-backups'] }),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/, 'must be a path such as database or shop/database')
    .default('database')
    .meta({ description: 'path in the bucket. Backups elsewhere in the bucket are never deleted' }),
  access_key: secret().meta({ description: 'identifier of the access key' }),
  secret_key: secret().meta({ description: 'the secret part of the access key' }),
  authority: z
    .string()
    .optional()
    .meta({ description: 'file of the project with the authority (PEM) that signs the certificate of the storage; default: public ones' }),
})

const sftpOptions = z.strictObject({
  host: z
    .string()
    .regex(/^([A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9a-fA-F:]{2,39})$/, 'must be a host name or an address')
    .meta({ description: 'host name or address of the server', examples: ['backup.example.com'] }),
  port: z.int().min(1).max(65535).default(22).meta({ description: 'port of the server' }),
  user: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9._-]{0,63}$/, 'must be an account name')
    .meta({ description: 'account on the server', examples: ['shop-backups'] }),
  path: z
    .string()
    .regex(
      /^\/?[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
      'must be a path of letters, digits, dots, dashes and slashes',
    )
    .default('database')
    .meta({ description: 'directory on the server, which must exist' }),
  host_keys: z
    .array(
      z
        .string()
        .regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}$/, 'must be a public key: ssh-ed25519 AAAA…'),
    )
    .min(1)
    .meta({ description: 'public keys of the server; it is not asked for others', examples: [['ssh-ed25519 AAAA…']] }),
  key: secret().meta({ description: 'private key of the account, without a passphrase' }),
})

/** A copy of each backup outside the site. */
export const copyOptions = z
  .strictObject({
    s3: s3Options.optional().meta({ description: 'storage that speaks the protocol of Amazon S3' }),
    sftp: sftpOptions.optional().meta({ description: 'server with SFTP' }),
    keep_days: z.int().min(0).max(3650).optional().meta({
      description:
        'age at which a copy is deleted; the three newest are always kept. 0: this host deletes none. Default: that of `backups`',
    }),
  })
  .refine(({ s3, sftp }) => (s3 === undefined) !== (sftp === undefined), {
    error: 'must have either `s3` or `sftp`',
    params: { fix: 'list each destination as an entry of its own' },
  })

export type Copy = z.output<typeof copyOptions>

import { directory, file, service, z } from 'provision'
import { HEAD, type Part } from './part.ts'

const size = z.string().regex(/^\d+[KMGT]$/, 'must be a size such as 500M')

export const journalOptions = z
  .strictObject({
    max_use: size.default('1G').meta({ description: 'maximum size of the journal on disk (journald.conf(5), CIS Debian 12 6.2.1)' }),
    keep_free: size.default('1G').meta({ description: 'disk space that the journal leaves free' }),
    retention: z
      .string()
      .regex(/^\d+(s|min|h|day|week|month|year)$/, 'must be a time span such as 90day')
      .default('90day')
      .meta({ description: 'how long entries are kept' }),
    burst: z.int().positive().default(10_000).meta({ description: 'messages that one service may log in 30 s; further ones are dropped' }),
  })
  .prefault({})

const PATH = '/etc/systemd/journald.conf.d/50-provision.conf'

/** Persistent journal of limited size. */
export const journal = ({ max_use, keep_free, retention, burst }: z.output<typeof journalOptions>): Part => {
  const config = file({
    path: PATH,
    content: `${HEAD}[Journal]
Storage=persistent
Compress=yes
SystemMaxUse=${max_use}
SystemKeepFree=${keep_free}
MaxRetentionSec=${retention}
RateLimitIntervalSec=30s
RateLimitBurst=${burst}
`,
  })
  return {
    files: [directory({ path: '/etc/systemd/journald.conf.d' }), config],
    services: [service({ unit: 'systemd-journald.service', restarts: [config] })],
  }
}

import { describe, expect, it } from 'vitest'
import { options } from '../../../../roles/backup/options.ts'
import role from '../../../../roles/backup/role.ts'
import type { FileSpec } from '../../../../src/resource/file/spec.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import { planRole } from '../../../../src/testing/plan-role.ts'

const S3 = 's3:https://s3.example.org/backups'
const SSH = { key: '-----BEGIN KEY', known_hosts: ['store.example.org ssh-ed25519 AAAA'] }
const given = (more: object = {}) => ({ paths: ['/srv'], repository: S3, password: 'a long password', ...more })
const plan = (more: object = {}) => planRole(role, { options: given(more) })
const textOf = (resource: string, more: object = {}): string => plan(more).changes.find((one) => one.resource === resource)?.text ?? ''
const JOB = 'unit:provision-backup.service'

describe('a host with backups', () => {
  it('has restic, its own files for root, a script and a timer', () => {
    expect(plan().changes.map(({ resource }) => resource)).toEqual([
      ...['package:restic', 'package:ca-certificates', 'directory:/etc/provision-backup-files'],
      ...['password', 'environment', 'exclude', 'paths'].map((name) => `file:/etc/provision-backup-files/${name}`),
      ...['directory:/var/lib/provision-metrics', 'directory:/var/lib/provision-metrics/backup', 'directory:/usr/local/lib/provision'],
      ...['file:/usr/local/lib/provision/backup', 'file:/usr/local/lib/provision/backup-result'],
      ...[JOB, 'unit:provision-backup.timer', 'service:provision-backup.timer'],
    ])
  })

  it('keeps secrets in files of root, and out of units and arguments', () => {
    const { resources } = plan({ environment: { AWS_SECRET_ACCESS_KEY: 'poison word' } })
    const files = resources.filter(({ kind }) => kind.name === 'file').map(({ spec }) => spec as FileSpec)
    const holders = files.filter(({ content }) => /poison|a long password/.test(Buffer.from(bytesOf(content)).toString()))
    expect(holders.map(({ path, mode, owner }) => `${path} ${mode} ${owner}`)).toEqual([
      '/etc/provision-backup-files/password 600 root',
      '/etc/provision-backup-files/environment 600 root',
    ])
  })

  it('has no network for a local repository, and warns that the backups would be lost with the host', () => {
    expect(textOf(JOB, { repository: '/var/backups/site' })).toContain('PrivateNetwork=yes')
    expect(textOf(JOB)).not.toContain('PrivateNetwork=yes')
    expect(plan({ repository: '/var/backups/site' }).warnings.join()).toContain('would be lost with it')
  })

  it('may change to another account only for dumps', () => {
    const dumps = { 'shop.sql': { command: 'pg_dump shop', user: 'postgres' } }
    expect(textOf(JOB)).not.toContain('CAP_SETUID')
    expect(textOf(JOB, { dumps })).toContain('CAP_SETUID')
    expect(textOf('file:/usr/local/lib/provision/backup', { dumps })).toContain(
      "  as postgres 'pg_dump shop' >/var/lib/provision-backup-files/dumps/shop.sql || stop 'the dump shop.sql failed'\n",
    )
  })

  it('keeps the number of backups in the option keep', () => {
    const script = textOf('file:/usr/local/lib/provision/backup', { keep: { last: 0, weekly: 2 } })
    expect(script).toContain('--keep-daily 7 --keep-weekly 2 --keep-monthly 12 --prune')
  })
})

describe('a refusal', () => {
  it.each<[string, object, RegExp]>([
    ['nothing to back up', { paths: [] }, /nothing is backed up/],
    ['SFTP without a login', { repository: 'sftp:a@b.example.org:/x' }, /needs a login/],
    ['a login for another store', { ssh: SSH }, /does not use SSH/],
    ['a repository in what is backed up', { paths: ['/srv', '/var'], repository: '/var/backups/x' }, /\/var contains the repository/],
    ['a repository in everything', { paths: ['/'], repository: '/backups' }, /\/ contains the repository/],
  ])('of %s', (_, more, what) => {
    expect(() => plan(more)).toThrow(what)
  })

  it.each([
    { paths: ['srv'] },
    { paths: ['/srv/../etc'] },
    { paths: ['/srv/'] },
    { paths: ['/srv/*'] },
    { paths: ['/srv\n/etc'] },
    { repository: 's3:https://s3.example.org/a b' },
    { repository: "sftp:a@b:/x' --command" },
    { repository: 'sftp:-oProxyCommand=x:/x' },
    { password: undefined },
    { keep: { last: 0, daily: 0, weekly: 0, monthly: 0 } },
    { environment: { PATH: 'x' } },
    { environment: { LD_PRELOAD: 'x' } },
    { dumps: { '../x': { command: 'true', user: 'root' } } },
    { dumps: { x: { command: 'true\nfalse', user: 'root' } } },
    { ssh: { ...SSH, known_hosts: [] } },
  ])('of the options %j', (more) => {
    expect(options.safeParse(given(more)).success).toBe(false)
  })

  it('accepts the repositories of its documentation', () => {
    for (const repository of [S3, 'sftp:shop@store.example.org:/backups', 'rest:https://store.example.org/shop', '/srv/backups'])
      expect(options.safeParse(given({ repository })).success).toBe(true)
  })
})

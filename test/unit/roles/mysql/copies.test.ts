import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { copyScript, requireCopies } from '../../../../roles/mysql/copies.ts'
import { type Copy, copyOptions } from '../../../../roles/mysql/copy-options.ts'
import mysql from '../../../../roles/mysql/role.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { contextOf, hostOf, RECIPIENT, textOf } from './context.ts'
import { type Place, place } from './stand-ins.ts'

const KEY = new Secret('-----BEGIN OPENSSH PRIVATE KEY-----\npoison\n-----END OPENSSH PRIVATE KEY-----')
const s3 = (more: object = {}) => ({
  s3: {
    endpoint: 'https://s3.test:9000',
    bucket: 'shop',
    access_key: new Secret('poison id'),
    secret_key: new Secret('poison key'),
    ...more,
  },
})
const sftp = (more: object = {}) => ({
  sftp: { host: 'vault.test', user: 'shop', host_keys: ['ssh-ed25519 AAAAC3Nz'], key: KEY, ...more },
})
const copies = (...all: readonly object[]): Copy[] => all.map((one) => copyOptions.parse(one))
const paths = (given: object) => (copyOptions.safeParse(given).error?.issues ?? []).map(({ path }) => path.join('.'))
const written = (...all: readonly object[]) => ({ backups: { recipients: [RECIPIENT], copies: all } })

describe('options of a copy', () => {
  it('have defaults', () => {
    expect(copyOptions.parse(s3()).s3).toMatchObject({ region: 'us-east-1', prefix: 'database' })
    expect(copyOptions.parse(sftp()).sftp).toMatchObject({ port: 22, path: 'database' })
  })

  it.each([
    ...[{ prefix: 'a/b.c' }, { endpoint: 'https://[2001:db8::1]:443' }, { region: 'eu-central-1' }].map(s3),
    ...[{ path: '/srv/a_b' }, { host: '2001:db8::1' }, { port: 2222 }, { host_keys: ['ecdsa-sha2-nistp256 AAAA=='] }].map(sftp),
    { ...sftp(), keep_days: 0 },
  ])('accept %j', (given) => expect(paths(given)).toEqual([]))

  it.each<[object, string]>([
    [{}, ''],
    [{ ...s3(), ...sftp() }, ''],
    // Requests without TLS could be read, and repeated.
    [s3({ endpoint: 'http://s3.test' }), 's3.endpoint'],
    [s3({ endpoint: 'https://s3.test/path' }), 's3.endpoint'],
    [s3({ endpoint: 'https://user@s3.test' }), 's3.endpoint'],
    [s3({ endpoint: 'https://s3.test\nregion = x' }), 's3.endpoint'],
    [s3({ bucket: 'a/b' }), 's3.bucket'],
    [s3({ bucket: '$(id)' }), 's3.bucket'],
    ...['/a', 'a/', '..', 'a/../b', 'a b', '"'].map((prefix): [object, string] => [s3({ prefix }), 's3.prefix']),
    [s3({ secret_key: undefined }), 's3.secret_key'],
    [sftp({ host: '-oProxyCommand=x' }), 'sftp.host'],
    [sftp({ user: '-x' }), 'sftp.user'],
    [sftp({ user: "a'" }), 'sftp.user'],
    ...['a b', 'a;b', '../a', 'a/', '~/a'].map((path): [object, string] => [sftp({ path }), 'sftp.path']),
    [sftp({ host_keys: [] }), 'sftp.host_keys'],
    [sftp({ host_keys: ['ssh-ed25519 AAAA\n* ssh-rsa AAAA'] }), 'sftp.host_keys.0'],
    [{ ...sftp(), keep_days: -1 }, 'keep_days'],
  ])('do not accept %j', (given, path) => expect(paths(given)).toEqual([path]))
})

describe('the host that makes backups', () => {
  const both = written(s3({ authority: 'files/vault.pem' }), sftp({ port: 2222 }))
  const content = { type: 'local', path: '/p/files/vault.pem', sha256: 'x', size: 3, open: () => Buffer.from('PEM') } as const
  const declared = (name: string) =>
    mysql
      .resources({ ...contextOf(name, both), files: () => [{ path: 'vault.pem', content }] })
      .map((one) => ({ key: keyOf(one), spec: one.spec }))

  it('gets the programs and the credentials, which others cannot read', () => {
    const found = declared('web-02').filter(({ key }) => /rclone|openssh-client|ca-certificates|copy-/.test(key))
    expect(found.map(({ key }) => key)).toEqual([
      ...['package:rclone', 'package:ca-certificates', 'package:openssh-client', 'file:/etc/provision-backup/copy-1.authority.pem'],
      ...[
        'file:/etc/provision-backup/copy-1.conf',
        'file:/etc/provision-backup/copy-2.known-hosts',
        'file:/etc/provision-backup/copy-2.key',
      ],
    ])
    for (const path of ['copy-1.conf', 'copy-2.key'])
      expect(found.find(({ key }) => key.endsWith(path))?.spec).toMatchObject({ mode: '640', owner: 'root', group: 'provision-backup' })
    expect(declared('web-01').filter(({ key }) => key.includes('copy-'))).toEqual([])
    expect(declared('lb-01').filter(({ key }) => key.includes('copy-'))).toEqual([])
  })

  it('knows only the declared keys of the server, and no secret is in a script or a unit', () => {
    const key = 'file:/etc/provision-backup/copy-1.known-hosts'
    expect(textOf('web-02', key, written(sftp()))).toBe('vault.test ssh-ed25519 AAAAC3Nz\n')
    expect(textOf('web-02', key, written(sftp({ port: 2222 })))).toBe('[vault.test]:2222 ssh-ed25519 AAAAC3Nz\n')
    for (const one of ['file:/usr/local/lib/provision/database-backup', 'unit:provision-database-backup.service'])
      expect(textOf('web-02', one, written(s3(), sftp()))).not.toContain('poison')
  })

  it('may reach the network, also if it stores the backups itself', () => {
    const unit = (more: object) =>
      textOf('web-02', 'unit:provision-database-backup.service', { backups: { recipients: [RECIPIENT], store: 'here', ...more } })
    expect(unit({})).not.toMatch(/AF_INET\b/)
    expect(unit({ copies: [sftp()] })).toMatch(/AF_INET\b/)
  })

  it('needs no store in the site', () => {
    const single = [hostOf('db-01', ['database'], '127.0.0.12')]
    const faults = (given: object) => mysql.check?.(contextOf('db-01', given, single))?.map(({ what }) => what)
    expect(faults(written())).toEqual(['group database_arbitrators has no host to store the backups'])
    expect(faults(written(sftp()))).toEqual([])
  })
})

describe('a copy', () => {
  const NAME = 'database-20260102T030405Z.sql.gz.age'
  const OLD = Array.from({ length: 5 }, (_, i) => `database-2025010${i + 1}T000000Z.sql.gz.age`)

  /** A host whose programs reach two destinations, as folders. */
  const host = (): Place => {
    const there = place()
    for (const folder of ['work', 'far', 'far/s3', 'far/sftp']) mkdirSync(join(there.path, folder))
    there.write(`work/${NAME}`, 'sealed')
    for (const name of [...OLD, 'other.txt', 'database-1.sql.gz.age'])
      for (const at of ['s3', 'sftp']) there.write(`far/${at}/${name}`, name)
    there.program(
      'rclone',
      `printf '%s\\n' "$*" >>"$PLACE/rclone.args"; while [ "\${1#-}" != "$1" ]; do case $1 in --quiet) ;; *) shift ;; esac; shift; done
at() { echo "$PLACE/far/s3/\${1##*/}"; }
case $1 in
copyto) [ -z "$NO_S3" ] && cp "$2" "$(at "$3")" ;;
cat) [ -z "$DAMAGED" ] || echo x; cat "$(at "$2")" ;;
lsf) ls "$PLACE/far/s3" ;;
deletefile) rm "$(at "$2")" ;;
esac`,
    )
    there.program(
      'sftp',
      `printf '%s\\n' "$*" >>"$PLACE/sftp.args"
while read -r verb one two; do echo "sftp> $verb $one $two"; case $verb in
put) cp "$one" "$PLACE/far/sftp/\${two##*/}" ;; rename) mv "$PLACE/far/sftp/\${one##*/}" "$PLACE/far/sftp/\${two##*/}" ;;
get) cp "$PLACE/far/sftp/\${one##*/}" "$two" ;; ls) ls "$PLACE/far/sftp" | sed 's|^|database/|' ;; rm) rm "$PLACE/far/sftp/\${one##*/}" ;; esac || exit 1; done`,
    )
    return there
  }
  const copy = (there: Place, all: readonly Copy[], env: Record<string, string> = {}) =>
    there.run(`set -eu\nfail() { echo "$*" >&2; exit 1; }\nname=${NAME}\n${copyScript(all, 30)}${requireCopies(all)}echo done`, {
      env: { NO_S3: '', DAMAGED: '', ...env },
    })
  const stored = (there: Place, at: string) => readdirSync(join(there.path, 'far', at)).sort()

  it('is stored everywhere and read back; old copies are deleted, other files are kept', () => {
    const there = host()
    expect(copy(there, copies(s3(), sftp()))).toEqual({ status: 0, stdout: 'done\n', stderr: '' })
    const kept = [...OLD.slice(3), NAME, 'database-1.sql.gz.age', 'other.txt'].sort()
    expect([stored(there, 's3'), stored(there, 'sftp')]).toEqual([kept, kept])
    expect(there.read(`far/sftp/${NAME}`)).toBe('sealed')
    expect(new Set(there.read('sftp.args').trim().split('\n'))).toEqual(
      new Set([
        '-b - -F none -i /etc/provision-backup/copy-2.key -P 22 -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/provision-backup/copy-2.known-hosts -o GlobalKnownHostsFile=none -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 shop@vault.test',
      ]),
    )
    expect(there.read('rclone.args').split('\n')[0]).toBe(
      `--config /etc/provision-backup/copy-1.conf --quiet --retries 3 --low-level-retries 5 --contimeout 30s --timeout 5m copyto work/${NAME} copy:shop/database/${NAME}`,
    )
  })

  it('keeps all old ones with keep_days: 0', () => {
    const there = host()
    expect(copy(there, copies({ ...s3(), keep_days: 0 }))).toMatchObject({ status: 0 })
    expect(stored(there, 's3')).toEqual([...OLD, NAME, 'database-1.sql.gz.age', 'other.txt'].sort())
    expect(there.read('rclone.args')).not.toContain('lsf')
  })

  it.each<[string, Record<string, string>, string]>([
    ['is not stored', { NO_S3: '1' }, 'the copy was not stored'],
    ['differs when it is read back', { DAMAGED: '1' }, 'the stored copy differs from the backup'],
  ])('that %s fails the job, after the others', (_, env, why) => {
    const there = host()
    const { status, stdout, stderr } = copy(there, copies(s3(), sftp()), env)
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: `${why}\nthe backup is stored, but not copied to https://s3.test:9000/shop/database\n`,
    })
    expect(stored(there, 'sftp')).toContain(NAME)
    expect(stored(there, 's3').filter((name) => OLD.includes(name))).toEqual(OLD)
  })
})

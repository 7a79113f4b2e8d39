import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import mysql from '../../../../roles/mysql/role.ts'
import { shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Facts } from '../../../../src/role/role.ts'
import { contextOf, HOSTS, hostOf, RECIPIENT, textOf } from './context.ts'

/** Resources of a server on a release. */
const declared = (distribution: Facts['distribution'], release: string, written: object = {}): readonly Resource[] => {
  const context = contextOf('web-01', written)
  return mysql.resources({ ...context, facts: { ...context.facts, distribution, release } })
}
const LOCAL = 'file:/etc/apparmor.d/local/mariadbd'
const contentOf = (resources: readonly Resource[], key: string): string => {
  const spec = resources.find((one) => keyOf(one) === key)?.spec as { content?: never; file?: { content: never } } | undefined
  const content = spec?.content ?? spec?.file?.content
  return content === undefined ? '' : (shownText(content) ?? '')
}

// garbd 26.4.16-2build4 (Ubuntu 24.04) with WORK_DIR: "More than one value for key 'gcs.fc_single_primary' at
// ' gcs.fc_single_primary=yes base_dir=/var/lib/garbd'". garb-systemd 26.4.9-1build1 (Ubuntu 22.04) ignores WORK_DIR, and its garbd
// refuses to start without 'socket.ssl_cipher', and with 'base_dir'. All versions up to 26.4.25-2 start with an empty list of ciphers.
it('an arbitrator has options that garbd 26.4.9 and later accept, and works in its own directory', () => {
  const config = textOf('lb-01', 'file:/etc/default/garb')
  expect(config).toMatch(/^GALERA_OPTIONS="(.*;)?socket\.ssl_cipher=;.*"$/m)
  expect(config).not.toMatch(/WORK_DIR|base_dir/)
  expect(textOf('lb-01', 'unit:garb.service.d/provision.conf')).toContain('\nWorkingDirectory=/var/lib/garbd\n')
})

// mariadbd 1:10.6.23-0ubuntu0.22.04.1 fails with two addresses. With this file, `--help --verbose` of it shows the address of the
// section, and that of 1:11.8.6-5ubuntu0.1 shows both.
it('a server of version 10.6 binds to the address of the servers, a later one to all of the host', () => {
  const hosts = HOSTS.map((one, i) => hostOf(one.name, one.groups, `10.0.0.${i + 1}`, `fd00::${i + 1}`))
  const lines = textOf('web-01', 'file:/etc/mysql/mariadb.cnf', {}, hosts).split('\n')
  expect(lines.filter((line) => /^\[|bind/.test(line)).join(' ')).toBe(
    '[client-server] [mariadb-dump] [mariadbd] bind_address = 10.0.0.2,fd00::2 [mariadbd-10.6] bind_address = 10.0.0.2 [sst]',
  )
  expect(textOf('web-01', 'file:/etc/mysql/mariadb.cnf')).not.toContain('10.6')
})

// /etc/apparmor.d/mariadbd of mariadb-server 1:11.8.6-5ubuntu0.1 has rules. usr.sbin.mariadbd of 1:10.6.23 to 1:11.8.9+ds-0+deb13u1 has
// only comments.
it.each<[Facts['distribution'], string, boolean]>([
  ['debian', '12', false],
  ['debian', '13', false],
  ['debian', '14', true],
  ['debian', '', true],
  ['ubuntu', '22.04', false],
  ['ubuntu', '24.04', false],
  ['ubuntu', '26.04', true],
  ['ubuntu', '28.04', true],
])('the profile of the package is extended on %s %s: %s', (distribution, release, expected) => {
  const keys = declared(distribution, release).map(keyOf)
  expect(keys.includes(LOCAL)).toBe(expected)
  // The package loads the profile together with the additions that are there.
  if (expected)
    expect(keys.slice(0, 4)).toEqual(['unreplicated:database', 'directory:/etc/apparmor.d', 'directory:/etc/apparmor.d/local', LOCAL])
  const dropin = contentOf(declared(distribution, release), 'unit:mariadb.service.d/provision.conf')
  expect(
    dropin.includes(
      '\nExecStartPre=+-/bin/sh -c "! aa-enabled --quiet 2>/dev/null || exec apparmor_parser -r -W /etc/apparmor.d/mariadbd"\n',
    ),
  ).toBe(expected)
  const service = declared(distribution, release).find((one) => keyOf(one) === 'galera:database')?.spec as {
    service: { restarts: readonly { path?: string }[] }
  }
  expect(service.service.restarts.some(({ path }) => path === '/etc/apparmor.d/local/mariadbd')).toBe(expected)
})

const SETTINGS = { settings: { tmpdir: '/srv/t/', general_log_file: '/srv/log/all.log', max_allowed_packet: '32M', datadir_of: '/data' } }

it('a confined server may run the scripts of a copy, and write to the paths of the restore test and of its settings', () => {
  const rules = contentOf(declared('ubuntu', '26.04', SETTINGS), LOCAL).split('\n')
  expect(rules.filter((rule) => !/^(#|\/(var|srv|data)|$)/.test(rule))).toEqual([
    ...['/{usr/,}{bin,sbin}/* mrix,', '/usr/lib/cargo/bin/** mrix,', '@{PROC}/ r,', '@{PROC}/** r,', '/dev/tty rw,'],
    ...['network inet6,', 'network netlink raw,', 'signal (send, receive) peer=mariadbd,', 'ptrace (read, readby) peer=mariadbd,'],
  ])
  const written = rules.flatMap((rule) => /^(\/.*) rwkl,$/.exec(rule)?.[1] ?? [])
  expect(written).toEqual([
    '/var/lib/provision-database-backup/**',
    '/srv/t/**',
    '/srv/**',
    '/srv/log/all.log/**',
    '/srv/log/**',
    '/data/**',
  ])
  for (const path of ['/var/lib/provision-database-backup', '/srv/t', '/data'])
    expect(rules).toEqual(expect.arrayContaining([`${path} rwk,`, `${path}/ r,`]))
  expect(textOf('web-02', 'unit:provision-database-backup.service', { backups: { recipients: [RECIPIENT], store: 'here' } })).toContain(
    '\nStateDirectory=provision-database-backup\n',
  )
})

const PARSER = '/usr/sbin/apparmor_parser'
it.skipIf(!existsSync(PARSER))('the parser of AppArmor accepts the rules in a profile of this name', () => {
  const rules = contentOf(declared('ubuntu', '26.04', SETTINGS), LOCAL)
  const profile = `include <tunables/global>\nprofile mariadbd /usr/sbin/mariadbd {\n${rules}}\n`
  expect(execFileSync(PARSER, ['-Q', '-K'], { input: profile, encoding: 'utf8' })).toBe('')
})

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import mysql from '../../../../roles/mysql/role.ts'
import { certificateOptions, userFaults, userOptions } from '../../../../roles/mysql/users.ts'
import type { AccountSpec } from '../../../../src/resource/database/account-spec.ts'
import { accountSql } from '../../../../src/resource/database/account-sql.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { contextOf } from './context.ts'

const given = (more: object) => ({ name: 'shop', password: new Secret('x'), ...more })
const issues = (more: object) => userOptions.safeParse(given(more)).error?.issues ?? []
const paths = (more: object) => issues(more).map(({ path }) => path.join('.'))
const grant = (...privileges: readonly string[]) => ({ grants: [{ on: '*.*', privileges }] })

const declared = (name: string, written: object) => mysql.resources(contextOf(name, written))
const specOf = (name: string, key: string, written: object): unknown =>
  declared(name, written).find((resource) => keyOf(resource) === key)?.spec ?? expect.fail(`no ${key}`)
const sqlOf = (key: string, more: object): string =>
  accountSql(specOf('web-01', `database-account:${key}`, { users: [given(more)] }) as AccountSpec, [])

describe('privileges on the whole server', () => {
  it('are granted if they only show its state, also by their other names', () => {
    const names = ['PROCESS', 'reload', 'REPLICATION CLIENT', 'REPLICA MONITOR', 'SHOW DATABASES', 'SHOW VIEW']
    expect(paths(grant(...names))).toEqual([])
    expect(sqlOf('shop@%', grant(...names))).toContain(
      "GRANT BINLOG MONITOR, PROCESS, RELOAD, SHOW DATABASES, SHOW VIEW, SLAVE MONITOR ON *.* TO 'shop'@'%';",
    )
  })

  // Each leads to the passwords of other accounts, to files of the host, or to writes on a read-only replica.
  it.each([
    ...['SELECT', 'UPDATE', 'ALL', 'SUPER', 'FILE', 'CREATE USER', 'SET USER', 'SHUTDOWN', 'CONNECTION ADMIN', 'READ_ONLY ADMIN'],
    ...['BINLOG ADMIN', 'BINLOG REPLAY', 'REPLICATION SLAVE', 'REPLICATION SLAVE ADMIN', 'FEDERATED ADMIN', 'TRIGGER', 'EXECUTE', 'EVENT'],
  ])('need the word administrator: %s', (name) => {
    expect(paths(grant('PROCESS', name))).toEqual(['grants.0.privileges.1'])
    expect(paths({ ...grant(name), socket: true, password: undefined })).toEqual(['grants.0.privileges.0'])
    expect(paths({ ...grant(name), administrator: true })).toEqual([])
  })

  it('are refused with a fix; GRANT OPTION always', () => {
    expect(issues(grant('SUPER'))[0]).toMatchObject({
      message: expect.stringContaining('the account can read or change everything'),
      params: { fix: expect.stringContaining('set `administrator: true`') },
    })
    expect(issues({ ...grant('GRANT OPTION'), administrator: true })[0]?.message).toContain('grant its privileges to others')
  })

  it('of one flavour are refused with the other one', () => {
    const options = (flavour: 'mariadb' | 'mysql', name: string) =>
      mysql.options.parse({ flavour, users: [{ name: 'shop', password: 'x', ...grant(name) }] })
    const faults = (flavour: 'mariadb' | 'mysql', name: string) => userFaults(options(flavour, name), flavour).map(({ what }) => what)
    expect(faults('mysql', 'FLUSH_TABLES')).toEqual([])
    expect(faults('mariadb', 'FLUSH_TABLES')).toEqual(['the user shop: FLUSH_TABLES is not a privilege'])
    expect(faults('mysql', 'SLAVE MONITOR')).toEqual(['the user shop: SLAVE MONITOR is not a privilege'])
    expect(faults('mariadb', 'SLAVE MONITOR')).toEqual([])
  })
})

describe('an account for the socket', () => {
  const socket = { socket: true, password: undefined, grants: [{ on: 'shop.*' }] }

  it('logs in by its system account, and not over the network', () => {
    expect(sqlOf('shop@localhost', socket).split('\n')[1]).toBe(
      "ALTER USER 'shop'@'localhost' IDENTIFIED VIA unix_socket REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0 ACCOUNT UNLOCK;",
    )
  })

  it.each<[string, object, string]>([
    ['an address', { host: '10.0.0.1' }, 'host'],
    ['a password', { password: new Secret('x') }, 'password'],
    ['a certificate', { certificate: true }, 'certificate'],
    ['the name of an account of the server', { name: 'root' }, 'name'],
    ['a hostile name', { name: "a'@'%" }, 'name'],
  ])('is refused with %s', (_, more, path) => expect(paths({ ...socket, ...more })).toEqual([path]))
})

describe('a certificate of a user', () => {
  const CN = 'shop.user.database.provision.internal'

  it('is required of clients, and made on hosts with applications', () => {
    expect(sqlOf('shop@%', { certificate: true })).toContain(` REQUIRE SUBJECT '/CN=${CN}' WITH `)
    const certificates = [{ user: 'shop', group: 'www-data' }]
    for (const host of ['app-01', 'web-01'])
      expect(specOf(host, 'certificate:/etc/mysql/provision/users/shop.pem', { certificates })).toMatchObject({
        ...{ names: [CN], usages: ['client'], group: 'www-data' },
      })
    expect(declared('lb-01', { certificates }).map(keyOf)).not.toContain('certificate:/etc/mysql/provision/users/shop.pem')
    expect(declared('app-01', {}).map(keyOf)).not.toContain('directory:/etc/mysql/provision/users')
  })

  it('needs a name that certificates and paths can have', () => {
    expect(paths({ certificate: true, name: 'a'.repeat(32) })).toEqual([])
    for (const name of ['Shop', 'a_b', 'a.b', 'a'.repeat(33), 'a-']) expect(paths({ certificate: true, name })).toEqual(['certificate'])
    for (const user of ['../x', 'a/b', '', 'A']) expect(certificateOptions.safeParse({ user, group: 'www-data' }).success).toBe(false)
    for (const group of ['a b', '-x', '']) expect(certificateOptions.safeParse({ user: 'shop', group }).success).toBe(false)
  })
})

describe('limits of a user', () => {
  it('are those declared, and no others', () => {
    expect(sqlOf('shop@%', { limits: { connections: 20, updates_per_hour: 7 } })).toContain(
      'REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 7 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 20 ACCOUNT UNLOCK;',
    )
  })

  it.each([{ connections: 0 }, { queries_per_hour: 1.5 }, { connection: 1 }, { connections_per_hour: '1' }])('refuse %j', (limits) => {
    expect(z.array(z.unknown()).min(1).safeParse(issues({ limits })).success).toBe(true)
  })
})

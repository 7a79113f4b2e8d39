import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { configCheck } from '../../../../roles/mysql/validation.ts'

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'mysql-check-'))
})
afterEach(() => rmSync(place, { recursive: true }))

/** Runs the check with a server that prints and exits as told, for `--help` and for its start in an empty directory. */
const check = (settings: Record<string, string | number | boolean>, help: string, start = 'exit 0') => {
  const program = (name: string, text: string) => writeFileSync(join(place, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  program('setpriv', 'echo "$*" | head -n 1 | cut -d" " -f1-3 >>"$PLACE/as"; while [ "$1" != sh ]; do shift; done; exec "$@"')
  program('mariadbd', `echo "$*" >>"$PLACE/calls"\ncase $* in *--help*) ${help} ;; *--bootstrap*) ${start} ;; esac`)
  const [command = '', ...words] = configCheck(settings, 'mariadb')
  const env = { PATH: `${place}:${process.env.PATH}`, PLACE: place, TMPDIR: place }
  const { status, stderr } = spawnSync(command, words, { env, encoding: 'utf8' })
  const left = readdirSync(place).filter((name) => name.startsWith('tmp.'))
  return { status, stderr, left, calls: readFileSync(join(place, 'calls'), 'utf8').trim().split('\n') }
}
const ERROR = '2026-01-01 0:00:00 0 [ERROR]'

it('accepts a configuration that the server reads and starts with, and leaves nothing behind', () => {
  const { status, stderr, left, calls } = check({}, 'echo "0 [Warning] limits" >&2')
  expect({ status, stderr, left }).toEqual({ status: 0, stderr: '', left: [] })
  expect(calls[0]).toBe('--verbose --help')
  expect(calls[1]).toMatch(new RegExp(`^--bootstrap --datadir=${place}/tmp\\.\\w+ .*--skip-networking --wsrep-on=OFF`))
  expect(readFileSync(join(place, 'as'), 'utf8')).toBe('--reuid=mysql --regid=mysql --init-groups\n')
})

it.each<[string, string, string, number, string]>([
  [
    'an error that --help prints beside success',
    `echo "${ERROR} Unknown suffix" >&2; echo "0 [Note] x" >&2`,
    'exit 0',
    1,
    `${ERROR} Unknown suffix\n`,
  ],
  [
    'an error without a date, after a bell',
    `printf '\\007mariadbd: Character set\\n' >&2; exit 1`,
    'exit 0',
    1,
    'mariadbd: Character set\n',
  ],
  ['a failure without an error', 'echo nothing known >&2; exit 7', 'exit 0', 7, 'nothing known\n'],
  ['a failure of the start', 'exit 0', `echo "${ERROR} Invalid page size" >&2; exit 1`, 1, `${ERROR} Invalid page size\n`],
])('refuses a configuration with %s', (_, help, start, status, stderr) => {
  expect(check({}, help, start)).toMatchObject({ status, stderr, left: [] })
})

it('starts no server with a path in its configuration, which could be one of the running server', () => {
  expect(check({ innodb_log_group_home_dir: '/srv/log' }, 'exit 0').calls).toEqual(['--verbose --help'])
  expect(check({ max_allowed_packet: '32M' }, 'exit 0').calls.length).toBe(3)
})

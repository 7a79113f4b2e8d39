import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerOf, placeExample } from './support/example.ts'
import { down, installed, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'
import { type GitServer, gitServer } from './support/services/git-server.ts'

// examples/guestbook: a Node application with PostgreSQL, from git, behind HTTPS.
const SUBNET = '10.79.61'
const NAME = 'guests.example.org'
const project = referenceProject('t-guests', SUBNET)
const spec = installed({ name: project.lab, root: project.root, hosts: [{ name: 'app-01', user: 'ops', addresses: [`${SUBNET}.11`] }] })
let repository: GitServer

const deploy = (commit: string): void =>
  placeExample(project, {
    example: 'guestbook',
    address: `${SUBNET}.11`,
    replaced: [
      ['https://git.example.org/acme/guestbook.git', repository.url(`${SUBNET}.1`)],
      [/ref: [0-9a-f]{40}/, `ref: ${commit}`],
    ],
  })

beforeAll(async () => {
  repository = await gitServer(join(import.meta.dirname, '../../examples/guestbook/app'))
  deploy(repository.commit())
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  repository.close()
  project.remove()
})

const visit = (method: 'GET' | 'POST', body = ''): Promise<string> =>
  answerOf({ project, address: `${SUBNET}.11`, name: NAME, method, body })

describe('an application from git', () => {
  it('becomes a site as predicted, and then there is nothing to do', async () => {
    const planned = changes(project.json('run', '--dry-run').lines, 'planned')
    expect(planned).toContain('app-01 create git:/srv/guestbook')
    const { status, lines, stderr } = project.json('run')
    expect({ status, stderr, applied: changes(lines, 'applied') }).toEqual({ status: 0, stderr: '', applied: planned })
    expect(await visit('POST', 'ada')).toBe('welcome\n')
    expect(await visit('GET')).toBe('Guests\nada\n')
    expect(changes(project.json('run').lines, 'planned')).toEqual([])
    expect(project.provision('verify').status).toBe(0)
  })

  it('is deployed by another commit, with its tables and one restart', async () => {
    const server = join(repository.directory, 'server.js')
    writeFileSync(server, readFileSync(server, 'utf8').replace("'Guests'", "'All guests'"))
    appendFileSync(join(repository.directory, 'tables.sql'), 'ALTER TABLE entries ADD COLUMN IF NOT EXISTS town text;\n')
    deploy(repository.commit())
    const { status, lines } = project.json('run')
    expect([status, ...changes(lines, 'applied')]).toEqual([
      0,
      'app-01 run command:guestbook tables',
      'app-01 update git:/srv/guestbook',
      'app-01 update service:guestbook.service',
    ])
    expect(await visit('GET')).toBe('All guests\nada\n')
    const { stdout } = project.provision(
      'exec',
      'app-01',
      '--sudo',
      '--',
      'su',
      'postgres',
      '-c',
      "psql -tAc 'SELECT count(town) FROM entries' guestbook",
    )
    expect(stdout).toContain('0')
    expect(changes(project.json('run').lines, 'planned')).toEqual([])
  })
})

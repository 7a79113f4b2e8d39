import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { type UnreplicatedState, unreplicated } from '../../../../src/resource/replication/unreplicated.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const servers = ['one', 'two'].map((host, i) => ({ host, address: `10.0.0.${i + 1}` }))
const NOBODY: UnreplicatedState = { follows: undefined, accounts: [] }
const FOLLOWS: UnreplicatedState = { ...NOBODY, follows: '10.0.0.1' }
const FOLLOWED: UnreplicatedState = { ...NOBODY, accounts: ['provision-replica-two'] }

const COMPARED =
  "SELECT IF(NOT EXISTS (SELECT 1 FROM mysql.global_priv WHERE User LIKE 'provision-replica-%' AND User NOT IN ('provision-replica-two')), 'DO 0', 'SIGNAL SQLSTATE \\'45000\\' SET MESSAGE_TEXT = \\'replication of database is not as it was observed\\'') INTO @compared; EXECUTE IMMEDIATE @compared;"

/** The planned change of each host, its notices, and its steps or the refusal. */
const stories = (members: Record<string, UnreplicatedState>, yielding: readonly string[] = []) => {
  const all = new Map(Object.entries(members))
  return [...all].map(([me, state]) => {
    const { spec } = unreplicated({ name: 'database', me, servers: servers.slice(0, all.size), yielding: [...yielding] })
    const around = { ...context, members: () => all }
    const change = unreplicated.kind.plan(spec, state, around)
    if (change === undefined) return 'nothing'
    try {
      const step = unreplicated.kind.apply([{ id: 'database', spec, state, change, members: () => all }]).next().value
      return `${change.reason} => ${step?.do === 'shell' ? (/<<'SQL'\n(.*)\nSQL$/s.exec(String(step.script))?.[1] ?? String(step.script)).replaceAll('\n', ' ') : ''}`
    } catch (error) {
      if (!(error instanceof HostRefusal)) throw error
      // It would have been said before anything was changed.
      expect(unreplicated.kind.forbids?.(spec, state, around)).toMatchObject({ what: error.what, why: error.why })
      return `${change.reason} => refused: ${error.fix?.slice(0, 40)}`
    }
  })
}

describe('ending replication', () => {
  it.each<[string, Record<string, UnreplicatedState>, readonly string[], readonly string[]]>([
    ['have nothing to do', { one: NOBODY, two: NOBODY }, [], ['nothing', 'nothing']],
    [
      'changes nothing while a server with data to keep still replicates',
      { one: FOLLOWED, two: FOLLOWS },
      [],
      [
        'two replicates from one, revokes replication by two => refused: add two to discard_data_of if its data m',
        'two replicates from one => refused: add two to discard_data_of if its data m',
      ],
    ],
    [
      'refuses a remaining single replica',
      { one: FOLLOWS },
      [],
      ['one replicates from one => refused: restore the topology replica with both s'],
    ],
    [
      'drops the accounts of replicas, and stops replication where data will be replaced',
      { one: FOLLOWED, two: FOLLOWS },
      ['two'],
      [
        `revokes replication by two => ${COMPARED} DROP USER IF EXISTS 'provision-replica-two'@'%'; KILL CONNECTION USER 'provision-replica-two'@'%';`,
        'stops replicating from one => STOP SLAVE; RESET SLAVE ALL;',
      ],
    ],
  ])('%s', (_, members, yielding, expected) => expect(stories(members, yielding)).toEqual(expected))

  it.each<[string, string, UnreplicatedState, string, number]>([
    ['is the observed one', '10.0.0.1', FOLLOWS, 'provision-replica-two', 0],
    ['is another one', '10.0.0.9', FOLLOWS, 'provision-replica-two', 68],
    ['is new', '10.0.0.1', FOLLOWED, 'provision-replica-two', 68],
    ['is not ours', '10.0.0.9', FOLLOWS, 'by_hand', 0],
    ['is gone', '', FOLLOWS, '', 0],
  ])('compares the source first, which %s', (_, address, state, account, code) => {
    const host = here('/var/lib/mysql', '/run/mysqld')
    onTestFinished(() => host.remove())
    host.program('mariadb', 'cat >/dev/null')
    host.sh(`mkdir -p var/lib/mysql; chmod -R a+rx .`)
    if (address !== '') writeFileSync(host.at('var/lib/mysql/master.info'), `33\nlog\n4\n${address}\n${account}\n`)
    const { spec } = unreplicated({ name: 'database', me: 'two', servers, yielding: ['one', 'two'] })
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const steps = unreplicated.kind.apply([{ id: 'database', spec, state, change }])
    const step = steps.next().value as { readonly script: unknown }
    const answer = host.run(
      String(step.script).replaceAll('getpwnam "mysql"', `getpwnam "${process.getuid?.() === 0 ? 'nobody' : userInfo().username}"`),
    )
    expect(answer).toMatchObject({ code, stderr: code === 0 ? '' : 'the source in master.info is not as it was observed\n' })
    if (code !== 0)
      expect(() => steps.next(answer)).toThrow(expect.objectContaining({ fix: 'run again: the next plan starts from the present state' }))
  })

  const { spec } = unreplicated({ name: 'database', me: 'two', servers })
  const read = (said: string) => unreplicated.kind.observe([spec]).parse(Buffer.from(said), NOTHING).get('database')

  it('reads stopped servers too, and ignores replication by other accounts', () => {
    expect(read('address\t10.0.0.1\naccount\tprovision-replica-two\nprovision-accounts\ndown\n')).toEqual(FOLLOWS)
    expect(read('address\t10.0.0.9\naccount\tby_hand\nprovision-accounts\nprovision-replica-two\nend\n')).toEqual(FOLLOWED)
  })
  it('reads why the source of a server is unknown', () => {
    expect(read('refused\tmaster.info is no regular file\nprovision-accounts\ndown\n')).toEqual({
      ...NOBODY,
      unknown: 'master.info is no regular file',
    })
  })

  it('refuses everything while a source is unknown, also that of another server', () => {
    const unknown = { ...NOBODY, unknown: 'master.info is no regular file' }
    const what = (own: UnreplicatedState, members: Record<string, UnreplicatedState>) => {
      const around = { ...context, members: () => new Map(Object.entries(members)) }
      return unreplicated.kind.forbids?.(spec, own, around)
    }
    expect(what(unknown, {})).toMatchObject({ what: 'replication source of two is unknown', why: 'master.info is no regular file' })
    expect(what(NOBODY, { one: unknown })?.what).toBe('replication source of one is unknown')
    expect(what(NOBODY, { one: NOBODY })).toBeUndefined()
    expect(unreplicated.kind.plan(spec, unknown, { ...context, members: () => new Map() })).toEqual({
      action: 'update',
      certainty: 'exact',
      reason: 'master.info is no regular file',
      differences: [],
    })
  })

  it('is a change that the server must accept', () => {
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const steps = unreplicated.kind.apply([{ id: 'database', spec, state: FOLLOWED, change }])
    expect(steps.next().value).toMatchObject({ do: 'shell', doing: 'ending replication' })
    expect(() => steps.next({ code: 1, stdout: Buffer.from(''), stderr: 'ERROR 1290' })).toThrow(
      'replication not ended (exit 1): ERROR 1290',
    )
  })
})

describe('the settings of replication on the disk', () => {
  const place = mkdtempSync(join(tmpdir(), 'unreplicated-'))
  const file = join(place, 'master.info')
  chmodSync(place, 0o755)
  afterEach(() => rmSync(file, { force: true }))
  afterAll(() => rmSync(place, { recursive: true }))

  const { spec } = unreplicated({ name: 'database', me: 'two', servers })
  const observe = (): UnreplicatedState | undefined => {
    const query = unreplicated.kind.observe([spec])
    const account = userInfo().uid === 0 ? 'nobody' : userInfo().username
    const script = String(query.script).replaceAll('/var/lib/mysql', place).replaceAll('getpwnam "mysql"', `getpwnam "${account}"`)
    const { stdout, stderr } = spawnSync('sh', ['-c', script.replaceAll('/run/mysqld/mysqld.sock', '/nowhere')], { env: process.env })
    expect(stderr.toString()).toBe('')
    return query.parse(stdout, NOTHING).get('database')
  }

  it('are read without the password', () => {
    writeFileSync(file, ['33', 'bin.000001', '4', '10.0.0.1', 'provision-replica-two', 'secret', '3306', ''].join('\n'))
    expect(observe()).toEqual(FOLLOWS)
  })

  it('have no source if there are none, or no account yet', () => {
    expect(observe()).toEqual(NOBODY)
    writeFileSync(file, ['33', '', '4', '10.0.0.1'].join('\n'))
    expect(observe()).toEqual(NOBODY)
  })

  it('are unknown if they are a link, also one to nowhere', () => {
    symlinkSync('/nowhere', file)
    expect(observe()?.unknown).toContain('master.info')
    rmSync(file)
    writeFileSync(join(place, 'other'), '')
    symlinkSync(join(place, 'other'), file)
    expect(observe()?.unknown).toContain('master.info')
  })
})

import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { type UnreplicatedState, unreplicated } from '../../../../src/resource/replication/unreplicated.ts'
import { NOTHING } from '../answers.ts'
import { world } from '../recorded.ts'

const servers = ['one', 'two'].map((host, i) => ({ host, address: `10.0.0.${i + 1}` }))
const NOBODY: UnreplicatedState = { follows: undefined, accounts: [] }
const FOLLOWS: UnreplicatedState = { ...NOBODY, follows: '10.0.0.1' }
const FOLLOWED: UnreplicatedState = { ...NOBODY, accounts: ['provision-replica-two'] }

/** What is planned on each host, what it is told beside, and what it is told to do or why it is not. */
const stories = (members: Record<string, UnreplicatedState>, yielding: readonly string[] = []) => {
  const all = new Map(Object.entries(members))
  return [...all].map(([me, seen]) => {
    const { spec } = unreplicated({ name: 'database', me, servers: servers.slice(0, all.size), yielding: [...yielding] })
    const around = { ...world, members: () => all }
    const verdict = unreplicated.kind.plan(spec, seen, around)
    if (verdict === undefined) return 'nothing'
    try {
      const step = unreplicated.kind.apply([{ id: 'database', spec, state: seen, change: verdict, members: () => all }]).next().value
      return `${verdict.reason} => ${step?.do === 'shell' ? (/<<'SQL'\n(.*)\nSQL$/s.exec(String(step.script))?.[1] ?? String(step.script)).replaceAll('\n', ' ') : ''}`
    } catch (error) {
      if (!(error instanceof HostRefusal)) throw error
      // It would have been said before anything was changed.
      expect(unreplicated.kind.forbids?.(spec, seen, around)).toMatchObject({ what: error.what, why: error.why })
      return `${verdict.reason} => refused: ${error.fix?.slice(0, 40)}`
    }
  })
}

describe('servers that are no primary and replicas any more', () => {
  it.each<[string, Record<string, UnreplicatedState>, readonly string[], readonly string[]]>([
    ['have nothing to do', { one: NOBODY, two: NOBODY }, [], ['nothing', 'nothing']],
    [
      'are all left as they are while one would go on following',
      { one: FOLLOWED, two: FOLLOWS },
      [],
      [
        'two replicates from one, revokes replication by two => refused: add two to discard_data_of if its data m',
        'two replicates from one => refused: add two to discard_data_of if its data m',
      ],
    ],
    ['nor is a replica alone', { one: FOLLOWS }, [], ['one replicates from one => refused: restore the topology replica with both s']],
    [
      'drop the accounts of replicas, and follow no more where their data are replaced',
      { one: FOLLOWED, two: FOLLOWS },
      ['two'],
      [
        "revokes replication by two => DROP USER IF EXISTS 'provision-replica-two'@'%'; KILL CONNECTION USER 'provision-replica-two'@'%';",
        'stops replicating from one => STOP SLAVE; RESET SLAVE ALL;',
      ],
    ],
  ])('%s', (_, members, yielding, expected) => expect(stories(members, yielding)).toEqual(expected))

  const { spec } = unreplicated({ name: 'database', me: 'two', servers })
  const read = (said: string) => unreplicated.kind.observe([spec]).parse(Buffer.from(said), NOTHING).get('database')

  it('are seen whether or not they run, and whoever follows another by an account of its own may go on', () => {
    expect(read('address\t10.0.0.1\naccount\tprovision-replica-two\nprovision-accounts\ndown\n')).toEqual(FOLLOWS)
    expect(read('address\t10.0.0.9\naccount\tby_hand\nprovision-accounts\nprovision-replica-two\nend\n')).toEqual(FOLLOWED)
  })
})

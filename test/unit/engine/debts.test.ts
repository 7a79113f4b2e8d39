import { expect, it } from 'vitest'
import { applyPlay } from '../../../src/engine/apply/play.ts'
import { sequencerOf } from '../../../src/engine/apply/sequencer.ts'
import type { DeclaredResource } from '../../../src/engine/plan/declared.ts'
import { withTriggers } from '../../../src/engine/plan/declared.ts'
import { planHost } from '../../../src/engine/plan/plan-host.ts'
import { command } from '../../../src/resource/control/command.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { sysctl } from '../../../src/resource/system/sysctl.ts'
import { runWith } from './run-with.ts'

const ttl = (value: number) => sysctl({ key: 'net.ipv4.ip_default_ttl', value })
const reload = (name: string, ...when: readonly Resource[]) => command({ name, run: `echo ${name}`, when: [...when] })

/** Applies play 0 on a host where everything is missing, and returns the scripts that it received. */
const requestsOf = async (declared: readonly DeclaredResource[], selected: (role: string) => boolean = () => true) => {
  const resources = withTriggers('a', declared)
  const record = { ran: new Set(['sysctl:net.ipv4.ip_default_ttl', 'command:first']), owed: new Set(), sums: new Map(), onDisk: new Map() }
  const observation = new Map(
    resources.map(({ resource: { kind, id } }) => {
      const state = kind.name === 'command' ? { record: () => record } : { live: '1', boot: '1' }
      return [keyOf({ kind, id }), state] as const
    }),
  )
  const scripts: string[] = []
  const request = async (script: string, { input = '' }: { readonly input?: Uint8Array | string } = {}) => {
    scripts.push(`${script}\n${Buffer.from(input)}`)
    return { code: 0, stdout: Buffer.alloc(0), stderr: '' }
  }
  const pending = planHost({ resources, observation, observations: new Map(), selected, now: new Date() })
  const changes = pending.map(({ play, role, resource, change }) => ({ host: 'a', play, role, resource: keyOf(resource), ...change }))
  const host = { session: { host: 'a', shell: { request } }, resources, pending, changes, issuers: [] } as never
  const hosts = new Map([['a', host]])
  const prepared = { root: '/', site: { hosts: new Map(), plays: [] } }
  const run = runWith({ hosts, prepared, selected, listen: () => {}, observations: new Map([['a', observation]]) })
  await applyPlay(run, host, { index: 0, sequencer: sequencerOf([host], 0, new Map()) })
  // The debts that a script records, the commands that it runs, or the setting that it writes.
  return scripts.map((script) => {
    const found = [...script.matchAll(/owed \S+|echo \w+/g)].map(([word]) => word.replace(/'$/, ''))
    return found.join() || (script.includes('zz-provision') ? 'sysctl' : 'nothing')
  })
}

it('what follows a change is on the disk of the host before the change, also for other roles and later plays', async () => {
  const declared = [
    { play: 0, role: 'base', resource: ttl(63) },
    { play: 0, role: 'base', resource: reload('first', ttl(63)) },
    { play: 0, role: 'base', resource: reload('second', command({ name: 'first', run: 'a', creates: '/a' })) },
    { play: 1, role: 'app', resource: reload('third', ttl(63)) },
  ]
  const [debts, change, ...rest] = await requestsOf(declared)
  expect(debts).toBe('owed sysctl:net.ipv4.ip_default_ttl,owed command:first,owed sysctl:net.ipv4.ip_default_ttl')
  expect(change).toBe('sysctl')
  expect(rest).toEqual(['echo first', 'echo second'])
  expect((await requestsOf(declared, (role) => role === 'base'))[0]).toBe(debts)
})

it('a change that nothing follows costs no request', async () => {
  const declared = [
    { play: 0, role: 'base', resource: ttl(63) },
    { play: 0, role: 'base', resource: sysctl({ key: 'net.ipv4.tcp_syncookies', value: 1 }) },
    { play: 0, role: 'base', resource: reload('first', sysctl({ key: 'net.ipv4.tcp_syncookies', value: 1 })) },
  ]
  expect(await requestsOf(declared)).toEqual(['sysctl', 'echo first'])
})

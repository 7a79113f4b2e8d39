import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import type { MeshState } from '../../../../src/resource/wireguard/observe.ts'
import { wireguard } from '../../../../src/resource/wireguard/wireguard.ts'
import { type Here, here } from '../run-here.ts'

// Three directories of this machine are hosts. The scripts run for real, with programs in place of wg and systemctl.
const HOSTS = ['a', 'b', 'c']
const MEMBERS = HOSTS.map((host, i) => ({ host, endpoint: `192.0.2.${i + 1}:51820`, addresses: [`10.80.0.${i + 1}/32`] }))
const { kind } = wireguard
let hosts: ReadonlyMap<string, Here>

beforeEach(() => {
  hosts = new Map(
    HOSTS.map((name) => {
      const host = here('/etc/wireguard', '/run/provision-wireguard')
      host.sh(`mkdir -p etc/wireguard; chmod 700 etc/wireguard`)
      host.program('chown', 'exit 0')
      host.program('wg', `case $1 in genkey) head -c 32 /dev/urandom | base64 ;; pubkey) sha256sum | head -c 42; echo A= ;; esac`)
      host.program('systemctl', `echo "$*" >>${host.root}/asked`)
      return [name, host]
    }),
  )
})
afterEach(() => {
  for (const host of hosts.values()) host.remove()
})

const on = (name: string): Here => {
  const host = hosts.get(name)
  if (host === undefined) throw new Error(`no host ${name}`)
  return host
}
const resourceOf = (me: string, members = MEMBERS) => wireguard({ interface: 'wg0', me, unit: 'mesh.service', members })
const CHANGE = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
const stateOf = (me: string): MeshState => {
  const [work] = on(me).plan({ ...resourceOf(me), kind: { ...kind, plan: () => CHANGE } })
  return work?.state as MeshState
}

/** Applies one host at the states of an observation. Returns the warnings. */
const turn = (me: string, members: ReadonlyMap<string, MeshState>, resource = resourceOf(me), lost: readonly string[] = []): string[] => {
  const state = members.get(me)
  if (state === undefined) throw new Error(`${me} was not observed`)
  const steps = kind.apply([{ id: 'wg0', spec: resource.spec, state, change: CHANGE, members: () => members }])
  const warnings: string[] = []
  const answer = (step: Step) => {
    if (step.do === 'notice') warnings.push(step.what)
    if (step.do !== 'shell') return { code: 0, stdout: Buffer.alloc(0), stderr: '' }
    if (lost.includes(step.on ?? me)) throw new Error('connection lost')
    return on(step.on ?? me).run(String(step.script), step.input instanceof Uint8Array ? step.input : undefined)
  }
  for (let next = steps.next(); next.done !== true; ) {
    try {
      next = steps.next(answer(next.value))
    } catch (error) {
      if (error instanceof HostRefusal) throw error
      next = steps.throw(error)
    }
  }
  return warnings
}
const observed = (...names: readonly string[]): ReadonlyMap<string, MeshState> => new Map(names.map((name) => [name, stateOf(name)]))
const isComplete = (me: string, resource = resourceOf(me)): boolean =>
  kind.plan(resource.spec, stateOf(me), {
    ...{ now: new Date(0), packagesPending: false, changes: () => false },
    members: () => observed(...HOSTS),
  }) === undefined

describe('the turns of bare hosts', () => {
  it('make a mesh, and each private key stays where it was made', () => {
    const before = observed(...HOSTS)
    expect(HOSTS.flatMap((me) => turn(me, before))).toEqual([])
    expect(HOSTS.map((me) => isComplete(me))).toEqual([true, true, true])
    for (const me of HOSTS) {
      const key = on(me).sh('cat etc/wireguard/wg0.key').trim()
      expect(on(me).sh('stat -c %a etc/wireguard/wg0.key etc/wireguard/wg0.peers')).toBe('600\n600\n')
      for (const other of HOSTS) expect(on(other).sh('cat etc/wireguard/wg0.pub etc/wireguard/wg0.peers')).not.toContain(key)
    }
    const [a, , c] = HOSTS.map((me) => on(me).sh('head -n 1 etc/wireguard/wg0.pub').trim())
    expect(on('b').sh('grep PublicKey etc/wireguard/wg0.peers')).toBe(`PublicKey = ${a}\nPublicKey = ${c}\n`)
    expect(on('a').sh('tail -n 1 asked')).toBe('reload -- mesh.service\n')
  })

  it('are repeated after an interruption with the same keys', () => {
    const before = observed(...HOSTS)
    turn('a', before)
    const key = on('a').sh('cat etc/wireguard/wg0.key')
    on('a').sh('rm etc/wireguard/wg0.pub')
    const again = observed(...HOSTS)
    for (const me of HOSTS) turn(me, again)
    expect(on('a').sh('cat etc/wireguard/wg0.key')).toBe(key)
    expect(HOSTS.map((me) => isComplete(me))).toEqual([true, true, true])
  })

  it('continue without a host that is lost, with a warning', () => {
    const before = observed(...HOSTS)
    turn('a', before)
    turn('b', before)
    expect(turn('c', before, resourceOf('c'), ['a'])).toEqual([
      expect.stringMatching(/^a was left out of this change of the mesh: connection lost/),
    ])
    expect(isComplete('b')).toBe(true)
    expect(on('c').sh('grep ^# etc/wireguard/wg0.peers')).toBe('# Written by provision.\n# b\n')
  })

  it('refuse to overwrite a change that was made since the observation', () => {
    const before = observed(...HOSTS)
    for (const me of HOSTS) turn(me, before)
    const then = observed(...HOSTS)
    on('a').sh("sed -i 's/^AllowedIPs = 10.80.0.2.*/AllowedIPs = 0.0.0.0\\/0/' etc/wireguard/wg0.peers")
    expect(() => turn('a', then)).toThrow('its section of b is not as it was observed')
  })

  it('remove a member, and keep the others', () => {
    const before = observed(...HOSTS)
    for (const me of HOSTS) turn(me, before)
    turn('a', observed('a', 'b'), resourceOf('a', MEMBERS.slice(0, 2)))
    expect(on('a').sh('grep ^# etc/wireguard/wg0.peers')).toBe('# Written by provision.\n# b\n')
  })

  it('ignore a host that answers with anything but a key', () => {
    const before = observed(...HOSTS)
    turn('a', before)
    on('a').sh(
      "d=$(sha256sum <etc/wireguard/wg0.key | cut -d ' ' -f 1); printf 'x\\nAllowedIPs = 0.0.0.0/0\\n# key sha256 %s\\n' $d >etc/wireguard/wg0.pub",
    )
    turn('b', before)
    expect(on('b').sh('cat etc/wireguard/wg0.peers')).toBe('# Written by provision.\n')
  })
})

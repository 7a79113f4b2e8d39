import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { installPackages, transactionScript } from '../../../../src/resource/package/apply.ts'
import type { PackageState } from '../../../../src/resource/package/observe.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import { type Simulated, shutOut, simulationScript } from '../../../../src/resource/package/simulate.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { packageHost } from './host.ts'

type Options = Parameters<typeof pkg>[0]
const POSSIBLE: Simulated = { isPossible: true, installs: [], removes: [], words: [], isFinal: true }
const MISSING: PackageState = { status: 'not-installed', version: '', held: false }
const installed = (version: string, more: Partial<PackageState> = {}): PackageState => ({
  status: 'installed',
  version,
  held: false,
  ...more,
})
const planOf = (options: Options, state: PackageState) => pkg.kind.plan(pkg(options).spec, state, context)
const workOf = (options: Options, state: PackageState) => {
  const { id, spec } = pkg(options)
  return { id, spec, state, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } as const }
}
/** Lines of the simulation of these packages on a host with these packages. */
const simulate = (lines: readonly string[], answer: string, ...options: readonly Options[]) => {
  const host = packageHost(lines)
  host.apt(answer)
  const specs = options.map((one) => pkg(one).spec)
  const { stdout } = host.run(`set -e\n${pkg.kind.observe(specs).script}`)
  const states = pkg.kind.observe(specs).parse(Buffer.from(stdout), NOTHING)
  return { calls: host.calls(), stateOf: (name: string) => states.get(name) }
}
const asked = (calls: readonly string[]): readonly string[] => calls.map((call) => call.replace(/.* install/, 'install'))
const APP = 'app amd64 1.0 install ok installed'
const HELD = 'app amd64 1.0 hold ok installed'

describe('the beginning of a version', () => {
  it('fits an installed version, which is kept', () => {
    expect(planOf({ name: 'app', version: '1.*' }, installed('1.24-1'))).toBeUndefined()
    expect(planOf({ name: 'app', version: '1.2*' }, installed('1.24-1'))).toBeUndefined()
    expect(planOf({ name: 'app', version: '1.3*' }, installed('1.24-1'))).toMatchObject({ action: 'update', reason: 'version differs' })
    expect(planOf({ name: 'app', version: '1.2' }, installed('1.24-1'))).toMatchObject({ reason: 'version differs' })
  })

  it('is shown as the version that apt has chosen', () => {
    const simulated = { ...POSSIBLE, installs: ['app'], versions: new Map([['app', '1.9-2']]) }
    expect(planOf({ name: 'app', version: '1.*' }, { ...MISSING, simulated })?.differences).toEqual([{ key: 'version', to: '1.9-2' }])
    expect(planOf({ name: 'app', version: '1.*' }, installed('0.9', { simulated }))?.differences).toEqual([
      { key: 'version', from: '0.9', to: '1.9-2' },
    ])
  })

  it('is simulated only where the installed version does not fit', () => {
    const answer = "echo 'Inst app [1.0] (2.3-1 example.test [amd64])'; echo 'Conf app (2.3-1 example.test [amd64])'"
    expect(simulate([APP], answer, { name: 'app', version: '1.*' }).calls).toEqual([])
    expect(simulate([APP], answer, { name: 'app:amd64', version: '1.*' }).calls).toEqual([])
    const { calls, stateOf } = simulate([APP], answer, { name: 'app', version: '2.*' })
    expect(asked(calls)).toEqual(['install app=2.*'])
    expect(stateOf('app')?.simulated?.versions).toEqual(new Map([['app', '2.3-1']]))
  })

  it('is installed unless a version that fits is there meanwhile', () => {
    const run = (lines: readonly string[]) => {
      const host = packageHost(lines)
      host.apt(`echo 'app amd64 1.7 install ok installed' >>"$ROOT/dpkg"`)
      const { status } = host.run(
        String(transactionScript([workOf({ name: 'app', version: '1.*' }, { ...MISSING, simulated: POSSIBLE })], 1)),
      )
      return [status, ...asked(host.calls()).map((call) => call.split(' --no-remove ')[1])]
    }
    expect(run([])).toEqual([0, 'app=1.*'])
    expect(run([APP])).toEqual([0])
    expect(run(['app amd64 2.0 install ok installed'])[0]).toBe(68)
  })

  it.each(['*', '1*0', 'x.*', '1.* '])('is refused as %j', (version) => {
    expect(() => pkg({ name: 'app', version })).toThrow('must be a complete Debian version')
  })
})

describe('a hold', () => {
  it('differs alone, or with the package', () => {
    expect(planOf({ name: 'app', hold: true }, installed('1', { held: true }))).toBeUndefined()
    expect(planOf({ name: 'app' }, installed('1', { held: true }))).toBeUndefined()
    expect(planOf({ name: 'app', hold: true }, installed('1'))).toMatchObject({
      ...{ action: 'update', certainty: 'exact', reason: 'hold differs' },
      differences: [{ key: 'hold', from: 'no', to: 'yes' }],
    })
    expect(planOf({ name: 'app', hold: false }, installed('1', { held: true }))?.differences).toEqual([
      { key: 'hold', from: 'yes', to: 'no' },
    ])
    expect(planOf({ name: 'app', hold: true }, { ...MISSING, simulated: POSSIBLE })?.differences).toEqual([
      { key: 'hold', from: 'no', to: 'yes' },
    ])
  })

  it('is set after the installation, without apt where only that differs', () => {
    const run = (options: Options, state: PackageState, lines: readonly string[]): readonly string[] => {
      const host = packageHost(lines)
      host.apt(`echo "app amd64 2.0 install ok installed" >>"$ROOT/dpkg"`)
      host.program('apt-mark', `printf 'mark %s\\n' "$*" >>"$ROOT/calls"`)
      expect(host.run(String(transactionScript([workOf(options, { ...state, simulated: POSSIBLE })], 1))).stderr).toBe('')
      return host.calls().map((call) => call.replace(/.*--no-remove/, 'install'))
    }
    expect(run({ name: 'app', hold: true }, installed('1.0'), [APP])).toEqual(['mark hold app'])
    expect(run({ name: 'app', hold: false }, installed('1.0', { held: true }), [HELD])).toEqual(['mark unhold app'])
    expect(run({ name: 'app', hold: true }, MISSING, [])).toEqual(['install app', 'mark hold app'])
    expect(run({ name: 'app', version: '2.0', hold: true }, installed('1.0', { held: true }), [HELD])).toEqual([
      ...['mark unhold app', 'install app=2.0', 'mark hold app'],
    ])
  })

  it('ends before a removal that declares it', () => {
    const gone = { name: 'app', state: 'absent', hold: false } as const
    const { calls, stateOf } = simulate([HELD], "echo 'Remv app [1.0]'", gone)
    expect(asked(calls)).toEqual(['install --allow-change-held-packages app-'])
    const script = String(transactionScript([workOf(gone, stateOf('app') as PackageState)], 1))
    expect(script.indexOf('apt-mark unhold app')).toBeLessThan(script.indexOf('transact && end'))
    expect(script.indexOf('apt-mark unhold app')).toBeGreaterThan(-1)
    expect(String(transactionScript([workOf({ ...gone, hold: undefined }, installed('1.0', { held: true }))], 1))).not.toContain('apt-mark')
  })

  it('that is declared allows the declared change, and no change of others on hold', () => {
    const answer = "echo 'Inst app [1.0] (2.0 x)'; echo 'Inst lib [1.0] (2.0 x)'"
    const lib = 'lib amd64 1.0 hold ok installed'
    expect(asked(simulate([APP, lib], answer, { name: 'app', version: '2.0', hold: true }).calls)).toEqual(['install app=2.0'])
    const { calls, stateOf } = simulate([HELD, lib], answer, { name: 'app', version: '2.0', hold: true })
    expect(asked(calls)).toEqual(['install --allow-change-held-packages app=2.0'])
    expect(stateOf('app')?.simulated).toMatchObject({ isPossible: false, words: ["E: Held packages were changed: 'lib'"] })
    expect(simulate([HELD], answer, { name: 'app', version: '2.0', hold: true }).stateOf('app')?.simulated?.isPossible).toBe(true)
    expect(asked(simulate([HELD], answer, { name: 'app', version: '2.0' }).calls)).toEqual(['install app=2.0'])
  })
})

describe('recommended packages', () => {
  const [app, other] = [{ name: 'app', recommends: true }, { name: 'other' }]

  it('are asked for apart from packages without them', () => {
    const answer = `case "$*" in *--install-recommends*) echo 'Inst app (2 x)' ;; *) echo 'Inst other (3 x)' ;; esac`
    const { calls, stateOf } = simulate([], answer, app, other)
    expect(asked(calls)).toEqual(['install other', 'install app'])
    expect(calls.map((call) => /--(no-)?install-recommends/.exec(call)?.[0])).toEqual(['--no-install-recommends', '--install-recommends'])
    expect([stateOf('app'), stateOf('other')].map((state) => state?.simulated?.installs)).toEqual([['app'], ['other']])
  })

  it('are installed in a transaction of their own, and the first counts if the second fails', () => {
    const steps = installPackages([workOf(app, MISSING), workOf(other, MISSING)])
    const scripts: string[] = []
    const next = (code: number) => {
      const { value } = steps.next({ code, stdout: Buffer.alloc(0), stderr: 'E: x' })
      if (value !== undefined && value.do === 'shell') scripts.push(String(value.script))
    }
    next(0)
    next(0)
    expect(scripts.map((script) => /^missing [^;]*/m.exec(script)?.[0])).toEqual(['missing other', 'missing app'])
    expect(scripts.map((script) => script.includes('--no-install-recommends'))).toEqual([true, false])
    let refusal: unknown
    try {
      next(1)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(HostRefusal)
    expect(refusal).toMatchObject({ what: 'apt failed: x (exit 1)', done: ['other'] })
  })
})

describe('the removal of a package', () => {
  const WORDS = [
    'The following packages were automatically installed and are no longer required:',
    '  lib lib-data',
    '  more',
    "Use 'apt autoremove' to remove them.",
  ]

  it('shows what goes with it', () => {
    const answer = `printf '%s\\n' ${WORDS.map((line) => `"${line}"`).join(' ')} 'Remv app [1.0]'`
    const state = simulate([APP], answer, { name: 'app', state: 'absent' }).stateOf('app') as PackageState
    expect(state.simulated?.unneeded).toEqual(['lib', 'lib-data', 'more'])
    expect(planOf({ name: 'app', state: 'absent' }, state)?.differences).toEqual([{ key: 'version', from: '1.0' }])
    expect(planOf({ name: 'app', state: 'absent', purge: true, autoremove: true }, state)?.differences).toEqual([
      ...[
        { key: 'version', from: '1.0' },
        { key: 'configuration files', to: 'deleted' },
      ],
      { key: 'needed no more', to: 'lib, lib-data, more: removed' },
    ])
  })

  it('removes exactly that, and refuses to remove what the run needs', () => {
    const simulated = { ...POSSIBLE, unneeded: ['lib', 'more'] }
    const state = installed('1.0', { simulated })
    const removed = (options: object) =>
      /^installed [^;]*/m.exec(String(transactionScript([workOf({ name: 'app', state: 'absent', ...options }, state)], 1)))?.[0]
    expect([removed({}), removed({ autoremove: true })]).toEqual(['installed app', 'installed app lib more'])
    const shut = (autoremove: boolean) =>
      shutOut({ name: 'app', state: 'absent', autoremove }, { removes: [], unneeded: ['openssh-server'] })
    expect([shut(false), shut(true)?.what]).toEqual([undefined, 'change of package app would shut out the account that this run uses'])
  })

  it('deletes configuration files, also those that are left of an earlier removal', () => {
    const residual = 'app amd64 1.0 deinstall ok config-files'
    const [absent, purge] = [
      { name: 'app', state: 'absent' },
      { name: 'app', state: 'absent', purge: true },
    ] as const
    expect(planOf(absent, simulate([residual], '', absent).stateOf('app') as PackageState)).toBeUndefined()
    const state = simulate([residual], '', purge).stateOf('app') as PackageState
    expect(planOf(purge, state)).toMatchObject({ action: 'delete', certainty: 'exact', reason: 'its configuration files are left' })
    const host = packageHost([residual])
    host.program('dpkg', 'printf \'dpkg %s\\n\' "$*" >>"$ROOT/calls"')
    expect(host.run(String(transactionScript([workOf(purge, state)], 1)))).toMatchObject({ status: 0, stderr: '' })
    expect(host.calls()).toEqual(['dpkg --purge -- app'])
  })

  it.each<[object, string]>([
    [{ purge: true }, 'purge'],
    [{ autoremove: true }, 'autoremove'],
    [{ state: 'absent', hold: true }, 'hold'],
  ])('is refused with %j', (options, option) => {
    expect(pkg.kind.schema.safeParse({ name: 'app', ...options }).error?.issues.map(({ path }) => path.join())).toEqual([option])
  })
})

it('asks nothing for kinds of packages that are not declared', () => {
  expect(String(simulationScript([pkg({ name: 'app' }).spec])).match(/^\s*simulate -y/gm)).toHaveLength(1)
})

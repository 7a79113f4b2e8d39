import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import '../../../../src/index.ts'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { OrphanSpec } from '../../../../src/resource/ownership/observe.ts'
import { orphan } from '../../../../src/resource/ownership/orphan.ts'
import { readRecord, recordHead, recordLine } from '../../../../src/resource/ownership/record.ts'
import { type Here, here, mine } from '../run-here.ts'

let host: Here
beforeEach(() => {
  host = here('/etc/systemd/system', '/run/provision')
  host.program('systemctl', `echo "$*" >>${host.at('systemctl.log')}`)
  host.sh('mkdir -p state/owned /etc/systemd/system')
})
afterEach(() => host.remove())

const OURS = sha256Hex('ours\n')
/** Orphans of role `r` by their lines in the record, in the order in which they are deleted. */
const orphans = (...lines: readonly string[]) => {
  host.sh(`cat >state/owned/r <<'E'\n${recordHead(['site.yaml'])}${[...lines, 'package:kept'].map((line) => `${line}\n`).join('')}E`)
  return lines.map((line) => {
    const [owned] = readRecord([recordHead([]).trim(), line]).lines
    if (owned === undefined) throw new Error('no line')
    const { kind, id, spec } = orphan({ role: 'r', owned, prune: true })
    const change = { action: 'delete', certainty: 'exact', reason: '', differences: [] } as const
    return { kind, work: { id, spec: spec as OrphanSpec, state: { recorded: true, inode: 'absent', within: [] }, change } }
  })
}
const remove = (...lines: readonly string[]) => {
  const all = orphans(...lines)
  const [first] = all
  if (first === undefined) throw new Error('no orphan')
  return host.apply(
    all.map(({ work }) => work),
    first.kind,
  )
}
const fileLine = (name: string): string => recordLine(`file:${host.at(name)}`, host.at(name), OURS)
const record = (): string => host.sh("sed '1d' state/owned/r")

describe('the removal of orphans', () => {
  it('deletes files, links and directories that are as provision left them, and their lines', () => {
    host.sh('mkdir d; echo ours >d/a; ln -s x l')
    expect(remove(fileLine('d/a'))).toBeUndefined()
    expect(remove(recordLine(`link:${host.at('l')}`, host.at('l'), '->x'))).toBeUndefined()
    expect(remove(`directory:${host.at('d')}`)).toBeUndefined()
    expect(host.sh('ls d l 2>/dev/null')).toBe('')
    expect(record()).toBe('package:kept\n')
  })

  it('deletes the record with its last line, and no line that only begins like it', () => {
    host.sh(`echo ours >a; mkdir -p state/owned; printf '%s\\n' '${recordHead([]).trim()}' '${fileLine('a')}' >state/owned/r`)
    const [only] = orphans(fileLine('a'))
    host.sh(`printf '%s\\n' '${recordHead([]).trim()}' '${fileLine('a')}' >state/owned/r`)
    if (only === undefined) throw new Error('no orphan')
    expect(host.apply([only.work], only.kind)).toBeUndefined()
    expect(host.sh('ls state/owned')).toBe('')
  })

  it('keeps the line of another resource that begins like it', () => {
    host.sh('echo ours >a; echo theirs >a.more')
    const more = fileLine('a.more')
    const [one] = orphans(fileLine('a'))
    host.sh(`echo '${more}' >>state/owned/r`)
    if (one === undefined) throw new Error('no orphan')
    expect(host.apply([one.work], one.kind)).toBeUndefined()
    expect(record()).toBe(`package:kept\n${more}\n`)
  })

  it.each([
    ['a file with other content', 'echo theirs >a', () => fileLine('a')],
    ['a link in place of a file', 'ln -s x a', () => fileLine('a')],
    ['a directory in place of a file', 'mkdir a', () => fileLine('a')],
    ['a link to another target', 'ln -s theirs a', () => recordLine(`link:${host.at('a')}`, host.at('a'), '->x')],
    ['a file in place of a link', 'echo x >a', () => recordLine(`link:${host.at('a')}`, host.at('a'), '->x')],
    ['a file in place of a directory', 'echo x >a', () => `directory:${host.at('a')}`],
  ])('never deletes what somebody else changed: %s', (_, byHand, line) => {
    host.sh(byHand)
    const was = host.sh("find a -printf '%y %l\\n'; cat a 2>/dev/null")
    expect(remove(line())).toMatchObject({
      what: `${host.at('a')} not deleted`,
      why: `${host.at('a')} was changed by somebody else`,
      done: [],
      culprit: host.at('a'),
    })
    expect(host.sh("find a -printf '%y %l\\n'; cat a 2>/dev/null")).toBe(was)
    expect(record()).toContain(host.at('a'))
  })

  it('names the one that failed, and those before it; each keeps its line for the next run', () => {
    host.sh('echo ours >a; echo theirs >b; echo ours >c')
    expect(remove(fileLine('a'), fileLine('b'), fileLine('c'))).toMatchObject({ done: [host.at('a')], culprit: host.at('b') })
    expect(host.sh('ls a b c 2>/dev/null')).toBe('b\nc\n')
    expect(record().split('\n')).toHaveLength(5)
  })

  it('counts what is gone already, with its directory, as deleted', () => {
    expect(remove(fileLine('a'), fileLine('no/such/a'))).toBeUndefined()
    expect(record()).toBe('package:kept\n')
  })

  it('does not delete a directory that has something in it', () => {
    host.sh('mkdir d; : >d/theirs')
    expect(remove(`directory:${host.at('d')}`)).toMatchObject({ culprit: host.at('d'), why: expect.stringContaining('cannot be removed') })
  })

  it('stops a unit, deletes its file, and lets systemd read that', () => {
    host.sh('echo ours >/etc/systemd/system/a.service')
    expect(remove(recordLine('unit:a.service', '/etc/systemd/system/a.service', OURS))).toBeUndefined()
    expect(host.sh('cat systemctl.log; ls /etc/systemd/system')).toBe('disable --now -- a.service\ndaemon-reload\n')
  })

  it('stops the instances of a template', () => {
    host.sh('echo ours >/etc/systemd/system/worker@.service')
    expect(remove(recordLine('unit:worker@.service', '/etc/systemd/system/worker@.service', OURS))).toBeUndefined()
    expect(host.sh('cat systemctl.log')).toBe('stop -- worker@*.service\ndisable --now -- worker@.service\ndaemon-reload\n')
  })

  it('leaves the directory of other files, also if it is empty then', () => {
    host.sh('mkdir conf.d; echo ours >conf.d/a; echo ours >/etc/systemd/system/a.service')
    expect(remove(fileLine('conf.d/a'), recordLine('unit:a.service', '/etc/systemd/system/a.service', OURS))).toBeUndefined()
    expect(host.sh('find conf.d /etc/systemd/system')).toBe(`conf.d\n/etc/systemd/system\n`)
  })

  it('does not stop a unit whose file somebody changed', () => {
    host.sh('echo theirs >/etc/systemd/system/a.service')
    expect(remove(recordLine('unit:a.service', '/etc/systemd/system/a.service', OURS))).toMatchObject({ culprit: 'a.service' })
    expect(host.sh('cat systemctl.log 2>/dev/null; ls /etc/systemd/system')).toBe('a.service\n')
  })

  it('deletes a drop-in with its directory, and does not stop the unit', () => {
    const path = '/etc/systemd/system/a.service.d/x.conf'
    host.sh(`mkdir -p /etc/systemd/system/a.service.d; echo ours >${path}`)
    expect(remove(recordLine('unit:a.service.d/x.conf', path, OURS))).toBeUndefined()
    expect(host.sh('cat systemctl.log; ls /etc/systemd/system')).toBe('daemon-reload\n')
  })
})

describe('what this run has deleted', () => {
  it('is as observed for a resource of another kind at the same path', () => {
    host.sh('echo ours >a; ln -s x b; mkdir c')
    const now = [
      link({ path: host.at('a'), target: 'x' }),
      directory({ path: host.at('b'), ...mine }),
      file({ path: host.at('c'), content: 'x', ...mine }),
    ]
    const seen = now.map((resource) => host.plan(resource))
    expect(remove(fileLine('a'))).toBeUndefined()
    expect(host.apply(host.plan(link({ path: host.at('b'), state: 'absent' })), link.kind)).toBeUndefined()
    expect(host.apply(host.plan(directory({ path: host.at('c'), state: 'absent' })), directory.kind)).toBeUndefined()
    for (const [i, resource] of now.entries()) expect(host.apply(seen[i] ?? [], resource.kind)).toBeUndefined()
    expect(host.sh("find a b c -printf '%y '")).toBe('l d f ')
  })

  it('is not as observed if somebody creates something there', () => {
    host.sh('echo ours >a')
    const declared = link({ path: host.at('a'), target: 'x' })
    const seen = host.plan(declared)
    expect(remove(fileLine('a'))).toBeUndefined()
    host.sh('echo theirs >a')
    expect(host.apply(seen, declared.kind)?.why).toContain('exists and is not a link')
    expect(host.sh('cat a')).toBe('theirs\n')
  })

  it('can be written again by the same kind', () => {
    host.sh('echo ours >a')
    const again = file({ path: host.at('a'), content: 'again\n', ...mine })
    const seen = host.plan(again)
    expect(remove(fileLine('a'))).toBeUndefined()
    expect(host.apply(seen, again.kind)).toBeUndefined()
    expect(host.sh('cat a')).toBe('again\n')
  })
})

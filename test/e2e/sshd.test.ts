import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Resource, sshd } from 'provision'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cutOff, reconnect } from '../../src/lab/control.ts'
import { rebootHost } from '../../src/lab/host.ts'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { onHost, sessionOn, type TestHost } from './support/test-host.ts'

const ADDRESS = '10.79.31.11'
const hosts = [{ name: 'host-01', user: 'ops', addresses: [ADDRESS] }] as const
const spec: LabSpec = { name: 't-sshd', root: fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''), hosts: [...hosts] }

let host: TestHost
const reach = async (): Promise<TestHost> => onHost(await sessionOn('t-sshd', ADDRESS), async () => {})

beforeAll(async () => {
  await labReset(spec)
  host = await reach()
})
afterAll(async () => {
  await host?.session.shell.close().catch(() => {})
  await labDown(spec)
})

const FILE = '/etc/ssh/sshd_config.d/00-provision.conf'
const KEY = `sshd:${FILE}`
type Settings = Parameters<typeof sshd>[0]['settings']
const settings = (more: Settings, confirmSeconds = 5): Resource =>
  sshd({ settings: { X11Forwarding: 'no', LoginGraceTime: '45s', AcceptEnv: ['LANG', 'TZ'], ...more }, confirmSeconds })

const wanted = [settings({ MaxAuthTries: 3 })]

/** The file on the disk, below anything that is mounted over it. */
const onDisk = (): Promise<string> => host.run(`unshare -m sh -c 'umount ${FILE} 2>/dev/null; cat ${FILE}'`)

/** Remains of a run beside the file: directories, marks, mounts, timers. */
const leftOvers = (): Promise<string> =>
  host.run(
    `find /run/provision/sshd /var/lib/provision/sshd -type f; grep -F ${FILE} /proc/1/mountinfo; ls -A /etc/ssh/sshd_config.d | grep -v '^00-provision.conf$'; systemctl list-units --all --plain --no-legend 'provision-*'; :`,
  )

/** Whether the running daemon accepts a new login. */
const loginsTaken = (): Promise<boolean> =>
  sessionOn('t-sshd', ADDRESS).then(
    ({ shell }) => shell.close().then(() => true),
    () => false,
  )

const untilTaken = async (): Promise<void> => {
  for (let left = 16; !(await loginsTaken()); left--) {
    if (left === 0) throw new Error('the host did not let anybody in again')
    await sleep(500)
  }
}

const asBefore = async (): Promise<void> => {
  expect(await host.run('sshd -T | grep -i maxauthtries')).toBe('maxauthtries 3\n')
  await mended()
}

const mended = async (): Promise<void> => {
  expect(await host.apply(wanted)).toEqual([`update ${KEY}`])
  expect(await host.plan(wanted)).toEqual([])
  expect(await leftOvers()).toBe('')
}

describe('settings of sshd', () => {
  it('apply to new connections, keep the present one, and leave no other files', async () => {
    // The distribution has a list of its own, to which lists of the role add.
    const accepted = await host.run("sshd -T | grep '^acceptenv '")
    expect(accepted).toContain('acceptenv LANG\n')
    expect(await host.plan(wanted)).toEqual([`create ${KEY}: missing`])
    expect(await host.apply(wanted)).toEqual([`create ${KEY}`])
    expect(await host.plan(wanted)).toEqual([])
    expect(await host.run("sshd -T | grep -E '^(maxauthtries|x11forwarding|logingracetime|acceptenv) '")).toBe(
      `logingracetime 45\nmaxauthtries 3\nx11forwarding no\nacceptenv LANG\nacceptenv TZ\n${accepted}`,
    )
    expect(await onDisk()).toContain('AcceptEnv LANG TZ\nMaxAuthTries 3\n')
    expect(await leftOvers()).toBe('')
  })

  it('are loaded again if sshd runs with others, and not after a restart by somebody else', async () => {
    await host.run(`cp ${FILE} /root/ours; sed -i 's/Tries 3/Tries 4/' ${FILE}; systemctl reload ssh`)
    expect(await host.plan(wanted)).toEqual([`update ${KEY}: settings differ`])
    await host.run(`cat /root/ours >${FILE}`)
    expect(await host.plan(wanted)).toEqual([`update ${KEY}: pending reload: sshd runs with older settings`])
    await host.apply(wanted)
    await host.run('systemctl restart ssh')
    expect(await host.plan(wanted)).toEqual([])
  })

  it('are refused before any change if sshd rejects or ignores them', async () => {
    expect((await host.refused([settings({ Ciphers: ['aes256-ctr', 'rot13'] })])).why).toMatch(/Bad SSH2 cipher spec.*rot13/)
    await host.run('printf "PermitTTY no\\n" >/etc/ssh/sshd_config.d/0-first.conf')
    expect((await host.refused([settings({ PermitTTY: 'yes' })])).why).toBe(
      'another file has precedence: sshd would use "permittty no", not "permittty yes"',
    )
    await host.run('rm /etc/ssh/sshd_config.d/0-first.conf; sed -i "s/^Include/#Include/" /etc/ssh/sshd_config')
    expect(await host.plan(wanted)).toEqual([`update ${KEY}: /etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf`])
    expect((await host.refused(wanted)).fix).toContain('Include /etc/ssh/sshd_config.d/*.conf')
    await host.run('sed -i "s/^#Include/Include/" /etc/ssh/sshd_config')
    expect(await host.plan(wanted)).toEqual([])
  })

  it.each<[string, Settings, string]>([
    ['keep us out', { DenyUsers: 'ops' }, 'login as ops was refused'],
    ['speak nothing that we do', { KexAlgorithms: ['diffie-hellman-group14-sha1'] }, 'connection failed during the key exchange'],
  ])('are rolled back if they %s, and the run reports the reason', async (_, more, why) => {
    const refusal = await host.refused([settings(more)])
    expect(refusal.what).toBe('new sshd settings rolled back: no new connection confirmed them')
    expect(refusal.why).toContain(why)
    await untilTaken()
    expect((await host.plan(wanted)).join()).toMatch(/: last change rolled back by the host at \S+Z, no new connection confirmed it$/)
    await asBefore()
  })

  it('are restored if the controller dies before the confirmation, also without a network', async () => {
    await host.unconfirmed(settings({ DenyUsers: 'ops' }))
    expect(await loginsTaken()).toBe(false)
    expect(await onDisk()).not.toContain('DenyUsers')
    expect((await host.plan(wanted)).join()).toContain('settings loaded but not confirmed by a new connection; settings differ')
    await cutOff(spec, 'host-01')
    await sleep(5500)
    await reconnect(spec, 'host-01')
    await untilTaken()
    await asBefore()
  })

  it('are completed by the next run if they are unconfirmed, or if their rollback was interrupted', async () => {
    await host.unconfirmed(settings({ DenyUsers: 'ops' }, 600))
    expect(await host.apply(wanted)).toEqual([`update ${KEY}`])
    expect(await loginsTaken()).toBe(true)
    await host.unconfirmed(settings({ DenyUsers: 'ops' }, 600))
    await host.run(
      'cd /var/lib/provision/sshd; for f in *.pending.*; do mv "$f" "$(echo "$f" | sed s/pending/undoing/)"; done; systemctl stop "provision-sshd-*.timer"',
    )
    expect((await host.plan(wanted)).join()).toContain('not confirmed by a new connection')
    await mended()
    expect(await loginsTaken()).toBe(true)
  })

  it('are the old ones after a boot before the confirmation', async () => {
    await host.unconfirmed(settings({ DenyUsers: 'ops' }, 600))
    await host.session.shell.close().catch(() => {})
    await rebootHost(spec, hosts[0])
    host = await reach()
    expect((await host.plan(wanted)).join()).toContain('last change not confirmed before a reboot, old settings restored')
    await asBefore()
  })

  it('are loaded as well with socket activation of sshd', async () => {
    await host.run('systemctl disable -q --now ssh.service; systemctl enable -q --now ssh.socket')
    expect(await loginsTaken()).toBe(true)
    const other = [settings({ MaxAuthTries: 4 })]
    expect(await host.apply(other)).toEqual([`update ${KEY}`])
    expect(await host.plan(other)).toEqual([])
    await host.unconfirmed(settings({ DenyUsers: 'ops' }))
    expect(await loginsTaken()).toBe(false)
    await host.apply(wanted)
    expect(await loginsTaken()).toBe(true)
    expect(await host.plan(wanted)).toEqual([])
    expect(await host.run('systemctl is-active ssh.socket')).toBe('active\n')
  })
})

import { describe, expect, it } from 'vitest'
import { recipes } from '../../src/schedule/recipes.ts'
import { inventoryLines, nameOf, patternFor, renewingRun } from '../../src/schedule/renewal.ts'
import { readProperties, statusOf } from '../../src/schedule/status.ts'
import { serviceText, timerText } from '../../src/schedule/units.ts'
import { parseYaml } from '../../src/site/yaml.ts'

const job = {
  name: 'provision-renew-site-1a2b3c',
  root: '/home/ann/100% site',
  command: ['/usr/bin/node', '/opt/provision.js', 'run', '--limit', 'lb $1', '--key', '/k/id "1"'],
  environment: { HOME: '/home/ann', PROVISION_AGE_KEY_FILE: '/k/age.txt' },
  environmentFile: '/k/environment',
}

describe('the scheduled run', () => {
  it('is a service whose words systemd hands on as they are', () => {
    const text = serviceText(job)
    expect(text).toContain('WorkingDirectory=/home/ann/100%% site\n')
    expect(text).toContain('Environment=PROVISION_AGE_KEY_FILE=/k/age.txt\n')
    expect(text).toContain('ExecStart=/usr/bin/node /opt/provision.js run --limit "lb $$1" --key "/k/id \\"1\\""\n')
    expect(timerText(job)).toMatch(/RandomizedDelaySec=\d+h\nPersistent=true/)
  })

  it('changes the balancers’ role only, and asks for no key but its own', () => {
    const run = renewingRun(['playbooks/lb.yaml'], 'inventory/live.yaml', 'balancers')
    expect(run.join(' ')).toMatch(
      /^run playbooks\/lb.yaml --inventory inventory\/live.yaml --role haproxy-tls --limit balancers --user provision-renewal /,
    )
    const text = recipes(run, '/srv/site')
    expect(text.match(/--role haproxy-tls --limit balancers --user provision-renewal --wait --output plain --key/g)).toHaveLength(3)
    expect(text).toContain('--key "$PROVISION_SSH_KEY_FILE"')
  })

  it('is limited to the group that the balancers are', () => {
    const groups = new Map([
      ['all', ['lb-01', 'lb-02']],
      ['web', ['web-01']],
      ['balancers', ['lb-02', 'lb-01']],
    ])
    expect(patternFor(['lb-01', 'lb-02'], groups)).toBe('balancers')
    expect(patternFor(['lb-01'], groups)).toBe('lb-01')
    expect(nameOf('/srv/my site')).toMatch(/^provision-renew-my-site-[0-9a-f]{6}$/)
  })

  it('is let in by lines that an inventory takes', () => {
    const text = inventoryLines('balancers', 'ssh-ed25519 AAAA provision', [{ name: 'ann', keys: ['ssh-ed25519 BBBB ann'] }])
    expect(text.startsWith('groups:\n  balancers:\n    vars:\n      base:\n        administrators:\n')).toBe(true)
    expect(parseYaml('inventory/site.yaml', text, undefined).problems).toEqual([])
    expect(text.indexOf('ann')).toBeLessThan(text.indexOf('provision-renewal'))
  })
})

describe('its status', () => {
  const said = (service: string, timer: string) => statusOf({ service: readProperties(service), timer: readProperties(timer) })
  const timer = 'LoadState=loaded\nActiveState=active\nNextElapseUSecRealtime=Tue 2026-11-24 16:40:11 UTC'

  it('tells the last result and the next time', () => {
    const ended = 'LoadState=loaded\nActiveState=inactive\nExecMainExitTimestamp=Tue 2026-11-24 04:12:03 UTC\n'
    expect(said(`${ended}Result=success\nExecMainStatus=0`, timer)).toEqual({
      installed: true,
      failed: false,
      lines: ['last  succeeded at Tue 2026-11-24 04:12:03 UTC', 'next  Tue 2026-11-24 16:40:11 UTC'],
    })
    expect(said(`${ended}Result=exit-code\nExecMainStatus=4`, timer)).toMatchObject({
      failed: true,
      lines: ['last  failed (exit 4) at Tue 2026-11-24 04:12:03 UTC', expect.anything()],
    })
    expect(said('LoadState=loaded\nActiveState=inactive\nResult=success\nExecMainExitTimestamp=', timer).lines[0]).toBe(
      'last  has not run yet',
    )
    expect(said('LoadState=not-found', 'LoadState=not-found')).toMatchObject({ installed: false })
  })
})

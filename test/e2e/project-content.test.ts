// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { chmodSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { inside } from './support/interrupt.ts'
import { down, RELEASE, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// Content of the project on one host: trees and templates, in YAML.
const SUBNET = '10.79.231'
const project = referenceProject('t-content', SUBNET)
const spec: LabSpec = { name: project.lab, root: project.root, hosts: [{ name: 'web-01', user: 'ops', addresses: [`${SUBNET}.11`] }] }
const run = (...words: readonly string[]) => project.json('run', '-i', 'inventory/content.yaml', 'playbooks/content.yaml', ...words)
const onHost = async (script: string): Promise<string> => (await inside(spec, 'web-01', script)).trim()

const playbook = (...more: readonly string[]): string =>
  [
    '- name: content\n  hosts: all\n  resources:',
    '    - file: { path: /etc/shop.conf, mode: "600", template: templates/shop.conf.j2, values: { port: 80 } }',
    ...more,
  ].join('\n')
const TREE = '    - tree: { path: /srv/app, source: files/app, delete: true, exclude: [uploads] }'
const MIRROR = '    - tree: { path: /srv/mirror, source: files/app, mode: "640", group: ops }'
const UNIT = [
  "    - unit: { name: app.service, content: '[Service]\n        ExecStart=/srv/app/bin/run' }",
  '    - service: { unit: app.service, enabled: false, restarts: [tree:/srv/app] }',
].map((line) => line.replace('\n        ', '\n\n        '))

beforeAll(async () => {
  const settings = `user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new`
  project.write('inventory/content.yaml', `vars: { ${settings}, word: first }\nhosts: { web-01: { address: ${SUBNET}.11 } }\n`)
  project.write('templates/shop.conf.j2', '# {{ host.name }} {{ facts.codename }}\nport = {{ values.port }}\nword = {{ vars.word }}\n')
  project.write('files/app/bin/run', '#!/bin/sh\ncp /srv/app/etc/a.conf /run/app; exec sleep infinity\n')
  chmodSync(join(project.root, 'files/app/bin/run'), 0o755)
  project.write('files/app/etc/a.conf', 'version 1\n')
  project.write('files/app/etc/old.conf', 'old\n')
  project.write('playbooks/content.yaml', playbook(TREE, MIRROR, ...UNIT))
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

const applied = async (): Promise<readonly string[]> => {
  const planned = run('--dry-run')
  expect(planned.stderr).toBe('')
  const made = run()
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
  const again = run('--dry-run')
  expect([again.status, changes(again.lines, 'planned')]).toEqual([0, []])
  return changes(made.lines, 'applied')
}

it('is made as planned, and the second run changes nothing', async () => {
  await applied()
  expect(await onHost('cat /etc/shop.conf; stat -c %a /etc/shop.conf')).toBe(`# web-01 ${RELEASE.codename}\nport = 80\nword = first\n600`)
  expect(await onHost("cd /srv/app && find . -printf '%p %y %m %u:%g\\n' | sort")).toBe(
    ['. d 755', './bin d 755', './bin/run f 755', './etc d 755', './etc/a.conf f 644', './etc/old.conf f 644']
      .map((line) => `${line} root:root`)
      .join('\n'),
  )
  expect(await onHost("cd /srv/mirror && find . -type f -printf '%p %m %u:%g\\n' | sort")).toBe(
    './bin/run 750 root:ops\n./etc/a.conf 640 root:ops\n./etc/old.conf 640 root:ops',
  )
  expect(await onHost('cat /run/app')).toBe('version 1')
})

it('follows the project: changed files, deleted files, and what others added', async () => {
  await onHost('cd /srv/app && mkdir -p extra/deep uploads && echo x >extra/deep/file && echo x >uploads/file && echo x >.hidden')
  project.write('files/app/etc/a.conf', 'version 2\n')
  rmSync(join(project.root, 'files/app/etc/old.conf'))
  const planned = run('--dry-run')
  expect(planned.lines.find(({ resource, phase }) => resource === 'file:/srv/app/etc/a.conf' && phase === 'planned')?.diff).toContain(
    '+version 2',
  )
  const made = run()
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
  expect(changes(made.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
  expect(await onHost('cd /srv/app && find . -mindepth 1 | sort | tr "\\n" " "')).toBe(
    './.hidden ./bin ./bin/run ./etc ./etc/a.conf ./uploads ./uploads/file',
  )
  expect(await onHost('cat /run/app')).toBe('version 2')
  // Without `delete`, what provision made is an orphan.
  expect(await onHost('cat /srv/mirror/etc/old.conf')).toBe('old')
  expect(run('--prune').status).toBe(0)
  expect(await onHost('ls /srv/mirror/etc')).toBe('a.conf')
  const again = run('--dry-run')
  expect([again.status, changes(again.lines, 'planned')]).toEqual([0, []])
})

it('is removed if it is no longer declared, and what others made stays', async () => {
  await onHost('echo changed >>/srv/mirror/bin/run')
  project.write('playbooks/content.yaml', playbook())
  expect(run('--prune').status).toBe(0)
  expect(await onHost('find /srv/app /srv/mirror -mindepth 1 | sort | tr "\\n" " "')).toBe(
    '/srv/app/.hidden /srv/app/uploads /srv/app/uploads/file /srv/mirror/bin /srv/mirror/bin/run',
  )
})

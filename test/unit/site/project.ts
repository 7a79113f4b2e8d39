import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { buildSite } from '../../../src/site/build.ts'
import { type ReadOptions, readProject } from '../../../src/site/read.ts'
import type { Site } from '../../../src/site/site.ts'

/** Creates a project in a temporary directory, which is deleted after the test. */
export const project = (files: Readonly<Record<string, string | Uint8Array>>): string => {
  const root = mkdtempSync(join(tmpdir(), 'provision-site-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return root
}

/** Returns the site of an inventory and a playbook, read from files. */
export const siteOf = async (
  inventory: string,
  { playbook = '', env = {}, ...more }: { playbook?: string; env?: ReadOptions['env']; inventory?: string } = {},
): Promise<Site> => {
  const root = project({ 'inventory/hosts.yaml': inventory, ...(playbook === '' ? {} : { 'playbooks/site.yaml': playbook }) })
  const raw = await readProject({
    root,
    env: { HOME: '/home/ops', USER: 'ops', ...env },
    ...(playbook === '' ? { playbooks: [] } : {}),
    ...more,
  })
  return buildSite(raw, { knownRoles: ['firewall', 'nginx'] })
}

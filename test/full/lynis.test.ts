import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bareLab, down, up } from '../e2e/support/lab.ts'
import { referenceProject } from '../e2e/support/project.ts'

const project = referenceProject('t-lynis', '10.79.34')
const spec = bareLab(project, '10.79.34')

beforeAll(() => up(spec))
afterAll(async () => {
  await down(spec)
  project.remove()
})

/** The hardening index of lynis for a host, of 100. */
const index = (): number => {
  const script = 'command -v lynis || { apt-get -qq update; apt-get -qy install lynis; }; lynis audit system --no-colors --quick'
  const { stdout } = project.provision('exec', 'web-01', '--sudo', '--', 'sh', '-c', script)
  return Number(/Hardening index : (\d+)/.exec(stdout)?.[1])
}

it('lynis gives a host 73 points with the roles firewall and base, over a dozen more than bare', () => {
  const bare = index()
  expect(bare).toBeGreaterThan(30)
  project.write('playbooks/base.yaml', '- hosts: web-01\n  roles: [firewall, base]\n')
  expect(project.provision('run', 'playbooks/base.yaml').status).toBe(0)
  const hardened = index()
  expect(hardened).toBeGreaterThanOrEqual(73)
  expect(hardened - bare).toBeGreaterThan(12)
})

it('the README of the role explains every remaining finding of lynis', () => {
  const { stdout } = project.provision('exec', 'web-01', '--sudo', '--', 'grep', '-E', '^(suggestion|warning)', '/var/log/lynis-report.dat')
  const found = new Set([...stdout.matchAll(/\[\]=([A-Z]+-\d+)\|/g)].map(([, id = '']) => id))
  expect(found.size).toBeGreaterThan(10)
  const rows = readFileSync(new URL('../../roles/base/README.md', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
  const isExplained = (id: string): boolean => rows.some((row) => row.includes(id) || row.includes(`${id.split('-')[0]}-\\*`))
  expect([...found].filter((id) => !isExplained(id))).toEqual([])
})

import { afterAll, beforeAll, expect, it } from 'vitest'
import { answerOf, placeExample } from '../e2e/support/example.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { down, installed, up } from '../e2e/support/lab.ts'
import { changes, referenceProject } from '../e2e/support/project.ts'
import { HAS_QUADLETS, imagesIn, PODMAN_FILES, PODMAN_PACKAGES, REGISTRY } from '../e2e/support/services/registry.ts'

// examples/container-site: a container by a Quadlet, behind HTTPS. The images are in a registry on the host.
const ADDRESS = '10.79.62.11'
const project = referenceProject('t-box', '10.79.62')
const spec = installed({ name: project.lab, root: project.root, hosts: [{ name: 'web-01', user: 'ops', addresses: [ADDRESS] }] })
const site = (image: string): void =>
  placeExample(project, { example: 'container-site', address: ADDRESS, replaced: [[/image: .*/, `image: ${image}`]] })
const page = (): Promise<string> => answerOf({ project, address: ADDRESS, name: 'site.example.org' })
let images: readonly string[] = []

beforeAll(async () => {
  if (!HAS_QUADLETS) return
  await up(spec)
  const files = Object.entries(PODMAN_FILES).map(([path, text]) => `mkdir -p "$(dirname ${path})"; printf '%s' '${text}' >${path}`)
  const packages = `export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -yqq --no-install-recommends install ${PODMAN_PACKAGES.join(' ')} >/dev/null`
  images = imagesIn(await inside(spec, 'web-01', `${packages} </dev/null\n${files.join('\n')}\n${REGISTRY}`))
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

it.skipIf(!HAS_QUADLETS)('becomes a site as predicted, and another image is deployed by one restart', async () => {
  const [one = '', two = ''] = images
  site(one)
  expect(project.provision('secrets', 'encrypt').status).toBe(0)
  const planned = changes(project.json('run', '--dry-run').lines, 'planned')
  expect(planned).toContain('web-01 create quadlet:site.container')
  const { status, lines, stderr } = project.json('run')
  expect({ status, stderr, applied: changes(lines, 'applied') }).toEqual({ status: 0, stderr: '', applied: planned })
  expect(await page()).toBe('1\n')
  expect(changes(project.json('run').lines, 'planned')).toEqual([])

  site(two)
  expect(project.provision('secrets', 'encrypt').status).toBe(0)
  const next = project.json('run')
  expect([next.status, ...changes(next.lines, 'applied')]).toEqual([
    0,
    'web-01 update owned:containers',
    'web-01 update quadlet:site.container',
    'web-01 update service:site.service',
  ])
  expect(await page()).toBe('2\n')
  expect(changes(project.json('run').lines, 'planned')).toEqual([])
  expect(project.provision('verify').status).toBe(0)
})

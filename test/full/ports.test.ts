import { afterAll, beforeAll, expect, it } from 'vitest'
import { answers, down, referenceLab, up } from '../e2e/lab.ts'
import { referenceProject } from '../e2e/project.ts'

const SUBNET = '10.79.11'
const project = referenceProject('t-full', SUBNET)
const spec = referenceLab(project, SUBNET)

beforeAll(async () => {
  await up(spec)
  expect(project.provision('run').status).toBe(0)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

/** All TCP ports that answer, so many connections under way at once that the whole takes about a minute. */
const openPorts = async (address: string): Promise<readonly number[]> => {
  const open: number[] = []
  let next = 1
  const probe = async (): Promise<void> => {
    while (next <= 65_535) {
      const port = next++
      if (await answers(address, port)) open.push(port)
    }
  }
  await Promise.all(Array.from({ length: 1500 }, probe))
  return open.sort((a, b) => a - b)
}

it.each([
  [`${SUBNET}.11`, [22, 80, 443]],
  [`${SUBNET}.12`, [22]],
  [`${SUBNET}.13`, [22]],
  ['fd11::11', [22, 80, 443]],
  ['fd11::12', [22]],
  ['fd11::13', [22]],
])('of all 65535 ports of %s only those answer that should', async (address, expected) => {
  expect(await openPorts(address)).toEqual(expected)
})

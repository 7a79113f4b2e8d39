import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type LabSpec, labDown, labUp } from '../../src/lab/index.ts'

// `sudo provision lab up` in the project of a hostile account.
const NOBODY = 65_534
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'provision-t-owner-')))
const root = join(scratch, 'project')
const side = join(root, '.provision/lab/t-ctl-owner')
const spec: LabSpec = { name: 't-ctl-owner', root, hosts: [{ name: 'one', user: 'ops', addresses: ['10.79.121.11'] }] }
const SECRET = 'only root may read this'

const asOwner = (...words: readonly string[]): string =>
  execFileSync('setpriv', ['--reuid', 'nobody', '--regid', String(NOBODY), '--clear-groups', ...words], { encoding: 'utf8' })

beforeAll(() => {
  mkdirSync(root)
  for (const path of [scratch, root]) chmodSync(path, 0o755)
  chownSync(root, NOBODY, NOBODY)
  writeFileSync(join(scratch, 'shadow'), SECRET, { mode: 0o600 })
  mkdirSync(join(scratch, 'ssh'), { mode: 0o700 })
})
afterAll(async () => {
  await labDown(spec)
  rmSync(scratch, { recursive: true, force: true })
})

it('a link in place of the lab directory is refused, and its target stays unchanged', async () => {
  asOwner('mkdir', '-p', join(side, '..'))
  symlinkSync(join(scratch, 'ssh'), side)
  execFileSync('chown', ['-h', 'nobody', side])
  await expect(labUp(spec)).rejects.toMatchObject({ name: 'Problem', where: { file: side } })
  expect([readdirSync(join(scratch, 'ssh')), statSync(join(scratch, 'ssh')).uid]).toEqual([[], 0])
  rmSync(side)
})

it('links to files of root are replaced without reading them, and the owner can log in', async () => {
  asOwner('mkdir', '-p', side)
  const names = ['id_ed25519', 'id_ed25519.pub', 'known_hosts', 'ssh_config', 'authority.pem', 'roots.pem']
  for (const name of names) asOwner('ln', '-s', join(scratch, 'shadow'), join(side, name))
  await labUp(spec)

  expect(readFileSync(join(scratch, 'shadow'), 'utf8')).toBe(SECRET)
  expect(lstatSync(join(scratch, 'shadow'))).toMatchObject({ uid: 0, mode: 0o100600 })
  for (const name of names) {
    const found = lstatSync(join(side, name))
    expect([name, found.isFile(), found.uid, (found.mode & 0o777).toString(8)]).toEqual([
      name,
      true,
      NOBODY,
      name === 'id_ed25519' ? '600' : '644',
    ])
    expect(readFileSync(join(side, name), 'utf8')).not.toContain(SECRET)
  }
  const ssh = (): string =>
    asOwner('ssh', '-F', join(side, 'ssh_config'), '-o', 'BatchMode=yes', 'one', 'hostname; sudo cat /root/.ssh/authorized_keys')
  expect(ssh()).toMatch(/^one\nssh-ed25519 /)

  // Again with the files of the first time: the key stays, a new link is replaced.
  const key = readFileSync(join(side, 'id_ed25519.pub'), 'utf8')
  rmSync(join(side, 'roots.pem'))
  asOwner('ln', '-s', join(scratch, 'shadow'), join(side, 'roots.pem'))
  await labUp(spec)
  expect(readFileSync(join(side, 'roots.pem'), 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/)
  expect(readFileSync(join(side, 'id_ed25519.pub'), 'utf8')).toBe(key)
  expect(existsSync(join(side, '.new'))).toBe(false)
  expect(readdirSync(side).toSorted()).toEqual(names.toSorted())
}, 300_000)

it('a project path that ssh would interpret is refused', async () => {
  for (const name of ['a\nProxyCommand evil', 'a"b', 'a\\b', `a\${HOME}`])
    await expect(labUp({ ...spec, root: join(scratch, name) })).rejects.toMatchObject({
      what: expect.stringContaining('lab cannot be in'),
    })
})

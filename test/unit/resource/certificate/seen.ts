import { execFileSync, spawnSync } from 'node:child_process'
import type { CertificateState } from '../../../../src/resource/certificate/observe.ts'
import { ABSENT, type InodeState } from '../../../../src/resource/kind/inode.ts'

export const inodeOf = (path: string): InodeState => {
  const { status, stdout } = spawnSync('find', [path, '-prune', '-printf', '%y\\0%m\\0%u\\0%g\\0%l'], { encoding: 'utf8' })
  const [type = '', mode = '', owner = '', group = '', target = ''] = stdout.split('\0')
  return status === 0 ? { type, mode, owner, group, target } : ABSENT
}

export const digestOf = (path: string): string | undefined => {
  const inode = inodeOf(path)
  return inode !== ABSENT && inode.type === 'f' ? execFileSync('sha256sum', [path], { encoding: 'utf8' }).slice(0, 64) : undefined
}

/** The pair as an observation of this moment compares it. */
export const pairAt = (path: string): CertificateState => ({
  ...{ chain: inodeOf(path), key: inodeOf(`${path}.key`), leaf: undefined, revoked: false },
  ...{ chainDigest: digestOf(path), keyDigest: digestOf(`${path}.key`) },
})

import { build } from '../../../../src/resource/build/build.ts'
import { archive } from '../../../../src/resource/fetched/archive.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { release } from '../../../../src/resource/release/release.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'

const local = (text: string): LocalFile => {
  const bytes = Buffer.from(text)
  return { type: 'local', path: '/p', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}
const site = (root: string, text: string) =>
  release({
    root,
    files: [
      { path: 'index.html', content: local(text) },
      { path: 'a/page', content: local('same') },
    ],
    keep: 2,
  })

/** A program of two versions. Its source is root's, and its account is not the one that attacks. */
const program = (root: string, text: string): readonly Resource[] => {
  const bytes = tar([{ name: 'page', mode: '644', owner: 'root', group: 'root', bytes: Buffer.from(text), modified: 1e9 }])
  const content: LocalFile = { type: 'local', path: 'app.tar', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
  const source = archive({ path: '/srv/hostile-source', content, delete: true })
  return [source, build({ root, source, user: 'daemon', command: 'cat page >built', keep: 2 })]
}

const places = (at: string): readonly Place[] => [
  { path: `${at}/current`, holds: 'directory', parent: true },
  { path: `${at}/releases`, holds: 'directory', parent: false },
  { path: `${at}/releases/.new`, holds: 'directory', parent: true },
  { path: `${at}/history`, holds: 'file', parent: false },
]

/** The account owns the root of the release and all directories in it, as a web server's account may. */
const handOver = (at: string): string => `chown mallory:mallory ${at}; chown -hR mallory:mallory ${at}/releases`

export const RELEASE_TARGETS: readonly Target[] = [
  {
    name: 'build',
    kinds: ['build'],
    places: (at) => [
      { path: `${at}/current`, holds: 'directory', parent: true },
      { path: `${at}/.current.new`, holds: 'file', parent: false },
      { path: `${at}/releases`, holds: 'directory', parent: false },
      { path: `${at}/history`, holds: 'file', parent: false },
    ],
    resources: (at, round) => program(at, `round ${round}`),
    before: (at) => program(at, 'before'),
    found: handOver,
    clear: 'rm -rf /srv/hostile-source /srv/.*.provision-tree',
    mayChange: / \/srv\/(hostile-source|\.\w+\.provision-tree)(\/.*)?$/,
  },
  {
    name: 'release',
    kinds: ['release'],
    places,
    resources: (at, round) => [site(at, `round ${round}`)],
    before: (at) => [site(at, 'before')],
    found: handOver,
  },
  {
    name: 'release, previous',
    kinds: ['release'],
    places,
    resources: (at) => [release({ root: at, files: [], which: 'previous' })],
    before: (at) => [site(at, 'first'), site(at, 'second')],
    found: handOver,
  },
]

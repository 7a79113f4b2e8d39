import { archive } from '../../../../src/resource/fetched/archive.ts'
import { download } from '../../../../src/resource/fetched/download.ts'
import { git } from '../../../../src/resource/fetched/git.ts'
import { manifestOf, stagingOf } from '../../../../src/resource/fetched/manifest.ts'
import { stagedName } from '../../../../src/resource/file/place.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { PORT, START_WEB_SERVER } from '../services/web-server.ts'
import type { Target } from './kinds.ts'

const fetched = (path: string, text: string, more: object = {}) =>
  download({ path, url: `http://127.0.0.1:${PORT}/${text}`, sha256: sha256Hex(text), proxy: 'none', ...more })

const packed = (text: string, name = 'page'): LocalFile => {
  const member = { name, mode: '644', owner: 'root', group: 'root', bytes: Buffer.from(text), modified: 1e9 }
  const bytes = tar([member])
  return { type: 'local', path: 'packed.tar', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

const inDirectory = (path: string, text: string) => archive({ path, content: packed(text, 'dir/page'), owner: 'mallory', group: 'mallory' })

export const FETCHED_TARGETS: readonly Target[] = [
  {
    name: 'download',
    kinds: ['download'],
    places: (at) => [
      { path: `${at}/it`, holds: 'file', parent: true },
      { path: `${at}/${stagedName(`${at}/it`)}`, holds: 'file', parent: false },
    ],
    found: () => START_WEB_SERVER,
    resources: (at, round) => [fetched(`${at}/it`, `round-${round}`, { owner: 'mallory', group: 'mallory' })],
  },
  {
    name: 'archive',
    kinds: ['archive'],
    places: (at) => [
      { path: `${at}/it`, holds: 'directory', parent: true },
      { path: stagingOf(`${at}/it`), holds: 'directory', parent: false },
    ],
    resources: (at, round) => [archive({ path: `${at}/it`, content: packed(`round ${round}`), owner: 'mallory', group: 'mallory' })],
    clear: 'rm -rf /var/lib/provision/trees',
  },
  {
    // The tree is the account's, in a directory of root. Each version takes over what the account has in it.
    name: 'archive, entries of others',
    kinds: ['archive'],
    home: '/srv/unpacked',
    places: (at) => [
      { path: `${at}/dir`, holds: 'directory', parent: false },
      { path: `${at}/own`, holds: 'directory', parent: false },
      { path: `${at}/dir/mine`, holds: 'file', parent: true },
    ],
    before: (at) => [inDirectory(at, 'before')],
    lay: 'mkdir -p own/deep dir/more; echo x >own/deep/file; echo x >dir/mine; echo x >dir/more/file',
    again: (at) => `cd ${at}; mkdir -p own dir; echo x >own/file; echo x >dir/mine`,
    resources: (at, round) => [inDirectory(at, `round ${round}`)],
    clear: 'rm -rf /var/lib/provision/trees /srv/.*.provision-tree',
    // Each version is another directory of the account, and a refused one can leave the former in that of root beside it.
    mayChange: / \/srv\/(unpacked|\.\w+\.provision-tree\/.*)$/,
  },
  {
    // The host has no git: root compares the tree with a manifest, and does nothing else there.
    name: 'git',
    kinds: ['git'],
    places: (at) => [
      { path: `${at}/it`, holds: 'directory', parent: true },
      { path: `${at}/it/.git`, holds: 'directory', parent: true },
    ],
    lay: 'mkdir -p it/.git',
    found: (at) => `mkdir -p /var/lib/provision/trees; printf 'x\\0.git\\0x\\0.git/HEAD\\0x\\0' >${manifestOf(`${at}/it`)}`,
    resources: (at) => [git({ path: `${at}/it`, repository: 'https://git.example.test/x', ref: 'a'.repeat(40), user: 'mallory' })],
    planOnly: true,
    clear: 'rm -rf /var/lib/provision/trees',
  },
]

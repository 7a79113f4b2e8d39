import { archive } from '../../../../src/resource/fetched/archive.ts'
import { download } from '../../../../src/resource/fetched/download.ts'
import { stagingOf } from '../../../../src/resource/fetched/manifest.ts'
import { stagedName } from '../../../../src/resource/file/place.ts'
import { type LocalFile, sha256Hex } from '../../../../src/resource/kind/content.ts'
import { tar } from '../../../../src/resource/kind/tar.ts'
import { PORT, START_WEB_SERVER } from '../services/web-server.ts'
import type { Target } from './kinds.ts'

const fetched = (path: string, text: string, more: object = {}) =>
  download({ path, url: `http://127.0.0.1:${PORT}/${text}`, sha256: sha256Hex(text), proxy: 'none', ...more })

const packed = (text: string): LocalFile => {
  const member = { name: 'page', mode: '644', owner: 'root', group: 'root', bytes: Buffer.from(text), modified: 1e9 }
  const bytes = tar([member])
  return { type: 'local', path: 'packed.tar', sha256: sha256Hex(bytes), size: bytes.length, open: () => bytes }
}

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
]

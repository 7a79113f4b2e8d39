import { download } from '../../../../src/resource/fetched/download.ts'
import { stagedName } from '../../../../src/resource/file/place.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { PORT, START_WEB_SERVER } from '../services/web-server.ts'
import type { Target } from './kinds.ts'

const fetched = (path: string, text: string, more: object = {}) =>
  download({ path, url: `http://127.0.0.1:${PORT}/${text}`, sha256: sha256Hex(text), ...more })

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
]

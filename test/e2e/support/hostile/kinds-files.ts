import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { permissions } from '../../../../src/resource/file/permissions.ts'
import { stagedName } from '../../../../src/resource/file/place.ts'
import { block } from '../../../../src/resource/part/block.ts'
import { line } from '../../../../src/resource/part/line.ts'
import { setting } from '../../../../src/resource/part/setting.ts'
import { tree } from '../../../../src/resource/tree/tree.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'

const mine = { owner: 'mallory', group: 'mallory' }
const one = (holds: Place['holds'], name = 'it') => {
  return (at: string): readonly Place[] => [{ path: `${at}/${name}`, holds, parent: true }]
}
const staged = (at: string): Place => ({ path: `${at}/${stagedName(`${at}/it`)}`, holds: 'file', parent: false })
const both = (at: string): readonly Place[] => [...one('file')(at), staged(at)]

export const FILE_TARGETS: readonly Target[] = [
  {
    name: 'file of the account',
    kinds: ['file'],
    places: both,
    resources: (at, round) => [file({ path: `${at}/it`, content: `${round}\n`, ...mine })],
  },
  {
    name: 'file of root',
    kinds: ['file'],
    places: both,
    resources: (at, round) => [file({ path: `${at}/it`, content: `${round}\n`, mode: '600' })],
  },
  {
    name: 'file of a set',
    kinds: ['file'],
    places: both,
    resources: (at, round) => [
      file({ path: `${at}/it`, content: `${round}\n`, ...mine, set: { name: 'hostile', root: at, check: ['true'] } }),
    ],
    clear: 'rm -rf /var/lib/provision/undo/hostile',
  },
  {
    name: 'file, absent',
    kinds: ['file'],
    places: one('file'),
    resources: (at) => [file({ path: `${at}/it`, state: 'absent' })],
    lay: 'echo old >it',
    again: (at) => `[ -e ${at}/it ] || echo old >${at}/it`,
  },
  {
    name: 'permissions of a file of the account',
    kinds: ['permissions'],
    places: one('file'),
    resources: (at, round) => [permissions({ path: `${at}/it`, mode: round % 2 === 0 ? '600' : '640', owner: 'mallory' })],
    lay: 'echo old >it; chown mallory:mallory it',
    again: (at) => `[ -e ${at}/it ] || echo old >${at}/it`,
  },
  {
    name: 'tree that deletes',
    kinds: ['tree'],
    places: one('directory'),
    resources: (at) => tree({ path: `${at}/it`, delete: true, ...mine }),
    lay: 'mkdir it; chown mallory:mallory it; mkdir it/sub; echo old >it/sub/old',
    again: (at) => `mkdir -p ${at}/it/sub; echo old >${at}/it/sub/old`,
  },
  {
    name: 'line in a file of the account',
    kinds: ['line'],
    places: both,
    resources: (at, round) => [line({ path: `${at}/it`, line: `round ${round}`, regexp: '^round' })],
    lay: 'echo old >it; chown mallory:mallory it',
    again: (at) => `[ -e ${at}/it ] || echo old >${at}/it`,
  },
  {
    name: 'block in a file of the account',
    kinds: ['block'],
    places: both,
    resources: (at, round) => [block({ path: `${at}/it`, name: 'hostile', block: `${round}\n` })],
    lay: 'echo old >it; chown mallory:mallory it',
    again: (at) => `[ -e ${at}/it ] || echo old >${at}/it`,
  },
  {
    name: 'setting in a file of the account',
    kinds: ['setting'],
    places: both,
    resources: (at, round) => [setting({ path: `${at}/it`, key: 'round', value: round, create: true })],
    lay: 'echo old >it; chown mallory:mallory it',
  },
  {
    name: 'line in a file that is created',
    kinds: ['line'],
    places: both,
    resources: (at, round) => [line({ path: `${at}/it`, line: `round ${round}`, regexp: '^round', create: true })],
  },
  {
    name: 'directory of the account',
    kinds: ['directory'],
    places: one('directory'),
    resources: (at, round) => [directory({ path: `${at}/it`, mode: round % 2 === 0 ? '750' : '700', ...mine })],
  },
  {
    name: 'directory of root',
    kinds: ['directory'],
    places: one('directory'),
    resources: (at, round) => [directory({ path: `${at}/it`, mode: round % 2 === 0 ? '755' : '775' })],
  },
  {
    name: 'directory, absent',
    kinds: ['directory'],
    places: one('directory'),
    resources: (at) => [directory({ path: `${at}/it`, state: 'absent' })],
    lay: 'rm -f it; mkdir it',
    again: (at) => `[ -e ${at}/it ] || mkdir ${at}/it`,
  },
  {
    name: 'link',
    kinds: ['link'],
    places: (at) => [...one('file')(at), staged(at)],
    resources: (at, round) => [link({ path: `${at}/it`, target: `/srv/${round}` })],
  },
  {
    name: 'link, absent',
    kinds: ['link'],
    places: one('file'),
    resources: (at) => [link({ path: `${at}/it`, state: 'absent' })],
    lay: 'ln -sfn /srv it',
    again: (at) => `[ -L ${at}/it ] || ln -s /srv ${at}/it`,
  },
]

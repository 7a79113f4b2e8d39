import type { Resource } from '../resource/kind/kind.ts'
import { readRecord } from '../resource/ownership/record.ts'

/** Kinds whose resource is one path, which is absent. */
const PATHS = ['apt-pin', 'database', 'directory', 'download', 'file', 'link', 'permissions']

/** Kinds whose resource is a file, which is absent, and which a program of the host reads. */
const READ = ['cron', 'limits', 'logrotate', 'sudoers']

/** What a host reports that has nothing of a resource, by the name of its kind. */
const STATES: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(PATHS.map((kind) => [kind, 'absent'])),
  ...Object.fromEntries(READ.map((kind) => [kind, { file: 'absent', reader: new Map() }])),
  alternatives: { path: undefined, mode: undefined, known: [] },
  'apt-repository': { source: 'absent', key: 'absent' },
  'authorized-keys': {
    ...{ home: undefined, inodes: { home: 'absent', ssh: 'absent' }, ours: [], isRunAccount: false },
    files: [{ pattern: '.ssh/authorized_keys', path: '', inode: 'absent', text: '', unread: undefined }],
  },
  block: { file: 'absent' },
  certificate: { chain: 'absent', key: 'absent', leaf: undefined, keyDigest: undefined },
  'database-account': { account: 'absent', missingTables: [] },
  'database-dump': { tables: [], replacedBy: [] },
  debconf: { isInstalled: false, answers: new Map() },
  'former-certificates': { inode: 'absent', lines: [], current: [], pairs: new Map() },
  group: { group: 'absent', gidOwner: undefined, primaryOf: [], admits: undefined },
  hostname: { live: '', boot: undefined, hosts: [], cloud: undefined },
  'kernel-module': { load: 'absent', block: 'absent', isLive: false, hasModules: true },
  line: { file: 'absent' },
  locale: { isListed: false, isGenerated: false, lang: undefined, hasGenerator: true },
  mount: { entries: [], live: undefined, isSource: false },
  owned: { inode: 'absent', record: readRecord([]) },
  package: { status: 'not-installed', version: '', held: false },
  ...Object.fromEntries(['postgresql-database', 'postgresql-extension', 'postgresql-role'].map((kind) => [kind, { is: 'none' }])),
  service: {
    ...{ load: 'not-found', active: 'inactive', sub: 'dead', result: 'success', enabled: '' },
    ...{ needsDaemonReload: false, reloadFailed: false, stamp: undefined, touched: false, onDisk: new Map(), unfinishedSet: false },
  },
  setting: { file: 'absent' },
  sysctl: { live: '', boot: undefined },
  upgrade: {
    ...{ isPossible: true, removes: [], kept: [], words: [], isFresh: true, usesSudo: false },
    upgrades: [{ name: 'sample', from: '1', to: '2', isSecurity: true }],
  },
  unit: { file: 'absent', stale: false },
  user: {
    ...{ account: 'absent', isRunAccount: false, grants: [], busy: undefined, uidOwner: undefined, isShellMissing: false },
    newHome: { fault: undefined, owner: undefined },
  },
  wireguard: {
    ...{ key: 'absent', publicKeyFile: 'absent', keyDigest: undefined, publicKeyDigest: undefined, publicKey: undefined },
    ...{ peers: undefined, peersDigest: 'absent', loaded: undefined },
  },
  swap: { inode: 'absent', bytes: 0, freeMB: 100, live: undefined, entries: [], isSwap: false, isContainer: false },
  'user-password': { nonce: 'n', entry: undefined, isRunAccount: false },
}

/** Returns what a host reports that has nothing of a resource of this kind; undefined if that depends on more than the kind. */
export const missingState = (kind: string): unknown => STATES[kind]

/** Returns what a bare host reports of a resource; undefined if a test has to state it. Conditions of commands hold, and none of them ever ran. */
export const bareState = ({ kind, spec }: Resource): unknown => {
  if (kind.name !== 'command' && kind.name !== 'script') return missingState(kind.name)
  const { creates, unless, onlyIf, triggers } = spec as Readonly<Record<'creates' | 'unless' | 'onlyIf' | 'triggers', unknown>>
  return {
    ...(creates !== undefined && { missing: true }),
    ...(unless !== undefined && { unless: 'no' }),
    ...(onlyIf !== undefined && { onlyIf: 'yes' }),
    ...(triggers !== undefined && { record: () => ({ ran: new Set(), owed: new Set() }) }),
  }
}

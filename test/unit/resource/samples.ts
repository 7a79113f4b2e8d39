import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { readKeysStates } from '../../../src/resource/account/authorized-keys-observe.ts'
import { aptRepository } from '../../../src/resource/apt/repository.ts'
import { build } from '../../../src/resource/build/build.ts'
import { identityOf } from '../../../src/resource/build/spec.ts'
import { nativeHash } from '../../../src/resource/database/password-hash.ts'
import { archive } from '../../../src/resource/fetched/archive.ts'
import { git } from '../../../src/resource/fetched/git.ts'
import { sha256Hex } from '../../../src/resource/kind/content.ts'
import type { PlanContext } from '../../../src/resource/kind/kind.ts'
import { nftables } from '../../../src/resource/nftables/nftables.ts'
import { readRecord, recordHead } from '../../../src/resource/ownership/record.ts'
import { scramVerifier } from '../../../src/resource/postgresql/scram.ts'
import { modifiedOf } from '../../../src/resource/release/observe.ts'
import { release } from '../../../src/resource/release/release.ts'
import { followerOf } from '../../../src/resource/replication/plan.ts'
import { service } from '../../../src/resource/service/service.ts'
import { sshd } from '../../../src/resource/sshd/sshd.ts'
import { kernelModule } from '../../../src/resource/system/kernel-module.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { missingState } from '../../../src/testing/missing.ts'
import { allKinds } from './all-kinds.ts'
import { FILE_SAMPLES } from './samples-files.ts'

/** For each kind, the options of its i-th sample, and what a host says when all is as these want it. */
interface Sample {
  readonly options: (i: number) => object
  readonly asWanted: (i: number) => unknown
}

const NO_GROUP = missingState('group') as object
const NO_USER = missingState('user') as object
const NO_ROLE = {
  ...{ is: 'known', role: undefined, nonce: 'n', digest: '', roles: new Set(), owned: new Set(), grantedIn: [], ownsIn: [] },
  databases: new Map([
    ['shop', { grants: { schemas: [], relations: [], defaults: [] }, digest: '', existing: new Set(), lacking: new Map() }],
  ]),
}

const inode = (type: string, mode: string, more: object = {}) => ({ type, mode, owner: 'root', group: 'root', target: '', ...more })
const rules = 'chain input { type filter hook input priority filter; policy drop; }'
const listing = 'table inet provision {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n'
const seenTable = (table: string) => {
  const [owned] = nftables.kind.files?.(nftables({ table, rules }).spec) ?? []
  return {
    live: listing,
    ours: listing,
    boot: nftables({ table, rules }).spec.text,
    stamp: owned?.sha256,
    pending: undefined,
    unkept: false,
    rolledBack: undefined,
    foreign: { chains: [], defeats: [], legacy: [] },
  }
}

const page = { type: 'local', path: '/p/sample', sha256: 'a'.repeat(64), size: 6, open: () => Buffer.from('sample') } as const
const dump = (table: string) => ({
  ...page,
  open: () => gzipSync(`-- Current Database: \`shop\`\n-- Table structure for table \`${table}\`\n`),
})
const { head } = archive({ path: '/srv/sample', content: page, format: 'tar' }).spec
const unpacked = { is: 'tree', head, differing: 0, sum: '0', names: [], unlisted: 0, unlistedNames: [] }
const built = (i: number) => ({
  root: `/srv/sample${i}`,
  source: archive({ path: '/srv/sample', content: page, format: 'tar' }),
  user: 'root1',
})
const seenBuild = (i: number) => {
  const identity = identityOf(build(built(i)).spec, head)
  const name = `20260101T000000-${identity.slice(0, 12)}`
  return {
    ...{ current: inode('l', '777', { target: `releases/${name}` }), head, tree: { ...unpacked, head: identity } },
    ...{ releases: [{ name, identity }], history: [name], unfinished: 0 },
  }
}
const { origin } = git({ path: '/srv/sample', repository: 'https://git.example.test/x', ref: 'a'.repeat(40), user: 'root1' }).spec
const checkedOut = { is: 'tree', head: `${'a'.repeat(40)} ${origin}`, differing: 0, sum: '0', names: [], unlisted: 0, unlistedNames: [] }
const seenRelease = (i: number) => ({
  current: inode('l', '777', {
    target: `releases/${release({ root: `/srv/sample${i}`, files: [{ path: 'page', content: page }] }).spec.digest}`,
  }),
  tree: new Map([
    ['', { type: 'd', mode: '755', owner: '0:0' }],
    ['page', { type: 'f', mode: '644', owner: '0:0', modified: modifiedOf(page) * 1e6 }],
  ]),
  digests: new Map([['page', page.sha256]]),
  history: [],
  staged: false,
})

const repository = (i: number) => ({
  ...{ name: `sample${i}`, uris: `https://example.test/sample${i}`, suites: './', fingerprint: 'F20B9ACCDDFA85B7541A84075763F951B24134AF' },
  key: readFileSync(new URL('../../fixtures/openpgp/repo.asc', import.meta.url), 'utf8'),
})

export const SAMPLES: Readonly<Record<string, Sample>> = {
  ...FILE_SAMPLES,
  file: {
    options: (i) => ({ path: `/srv/sample${i}`, content: 'hello\n' }),
    asWanted: () => inode('f', '644', { sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' }),
  },
  permissions: {
    options: (i) => ({ path: `/srv/sample${i}`, mode: '750' }),
    asWanted: () => inode('d', '750'),
  },
  download: {
    options: (i) => ({ path: `/srv/sample${i}`, url: 'https://example.test/page', sha256: page.sha256 }),
    asWanted: () => inode('f', '644', { sha256: page.sha256 }),
  },
  archive: {
    options: (i) => ({ path: `/srv/sample${i}`, content: page, format: 'tar' }),
    asWanted: () => ({ inode: inode('d', '755'), tree: unpacked, staged: false }),
  },
  line: {
    options: (i) => ({ path: `/srv/sample${i}`, line: `sample${i}`, create: true }),
    asWanted: (i) => ({ file: inode('f', '644'), bytes: Buffer.from(`sample${i}\n`) }),
  },
  block: {
    options: (i) => ({ path: `/srv/sample${i}`, name: `sample${i}`, block: 'hello\n', create: true }),
    asWanted: (i) => ({
      file: inode('f', '644'),
      bytes: Buffer.from(`# BEGIN provision sample${i}\nhello\n# END provision sample${i}\n`),
    }),
  },
  setting: {
    options: (i) => ({ path: `/srv/sample${i}`, key: `sample${i}`, value: 1, create: true }),
    asWanted: (i) => ({ file: inode('f', '644'), bytes: Buffer.from(`sample${i}=1\n`) }),
  },
  git: {
    options: (i) => ({ path: `/srv/sample${i}`, repository: 'https://git.example.test/x', ref: 'a'.repeat(40), user: 'root1' }),
    asWanted: () => ({ inode: inode('d', '755', { owner: 'root1' }), tree: checkedOut, busy: false, installed: true }),
  },
  tree: {
    options: (i) => ({ path: `/srv/sample${i}`, files: [], exclude: [], delete: true }),
    asWanted: () => ({ inode: inode('d', '755'), entries: [], kept: [], isCut: false }),
  },
  directory: { options: (i) => ({ path: `/srv/sample${i}` }), asWanted: () => inode('d', '755') },
  link: { options: (i) => ({ path: `/srv/sample${i}`, target: '/srv' }), asWanted: () => inode('l', '777', { target: '/srv' }) },
  package: { options: (i) => ({ name: `sample${i}` }), asWanted: () => ({ status: 'installed', version: '1', held: false }) },
  upgrade: {
    options: (i) => ({ name: `sample${i}` }),
    asWanted: () => ({ isPossible: true, upgrades: [], removes: [], kept: [], words: [], isFresh: true, usesSudo: false }),
  },
  debconf: {
    options: (i) => ({ package: `sample${i}`, answers: [{ question: `sample${i}/name`, value: 'x' }] }),
    asWanted: (i) => ({ isInstalled: false, answers: new Map([[`sample${i}/name`, 'x']]) }),
  },
  'apt-repository': {
    options: repository,
    asWanted: (i) => {
      const [owned] = aptRepository.kind.files?.(aptRepository(repository(i)).spec) ?? []
      return { source: inode('f', '644', { sha256: owned?.sha256 }), key: 'absent' }
    },
  },
  build: { options: built, asWanted: seenBuild },
  release: { options: (i) => ({ root: `/srv/sample${i}`, files: [{ path: 'page', content: page }] }), asWanted: seenRelease },
  service: {
    options: (i) => ({ unit: `sample${i}.service` }),
    asWanted: () => ({
      load: 'loaded',
      active: 'active',
      sub: 'running',
      result: 'success',
      enabled: 'enabled',
      needsDaemonReload: false,
      reloadFailed: false,
      stamp: undefined,
      touched: false,
      onDisk: new Map(),
      undone: false,
    }),
  },
  unit: {
    options: (i) => ({ name: `sample${i}.service`, content: 'hello\n' }),
    asWanted: () => ({
      file: inode('f', '644', { sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' }),
      stale: false,
    }),
  },
  quadlet: {
    options: (i) => ({ name: `sample${i}.container`, content: 'hello\n', images: [`localhost/sample${i}:1`] }),
    asWanted: () => ({
      file: inode('f', '644', { sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' }),
      ...{ isStale: false, hasGenerator: true, oldRelease: undefined, missing: [] },
    }),
  },
  certificate: {
    options: (i) => ({ stage: 'placeholder', path: `/srv/sample${i}.pem`, names: ['www.example.org'] }),
    asWanted: () => ({
      chain: inode('f', '644'),
      key: inode('f', '600'),
      leaf: { names: ['www.example.org'], from: 0, to: 9e12, placeholder: false, account: 'a', keyDigest: 'k', keyType: 'ec' },
      keyDigest: 'k',
    }),
  },
  'former-certificates': {
    options: (i) => ({ path: `/srv/sample${i}.list`, list: '/srv/list', pairs: [{ path: '/srv/a.pem', names: ['www.example.org'] }] }),
    asWanted: () => ({ inode: inode('f', '644'), lines: [], current: ['/srv/a.pem'], pairs: new Map() }),
  },
  user: {
    options: (i) => ({ name: `sample${i}` }),
    asWanted: (i) => ({
      ...NO_USER,
      account: {
        ...{ uid: 1000, group: `sample${i}`, groups: [], home: `/home/sample${i}`, shell: '/bin/sh', comment: '' },
        ...{ isLocal: true, hasHome: true },
      },
    }),
  },
  group: {
    options: (i) => ({ name: `sample${i}` }),
    asWanted: () => ({ ...NO_GROUP, group: { gid: 1000, isLocal: true } }),
  },
  'authorized-keys': {
    options: (i) => ({
      user: `sample${i}`,
      keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C me'],
    }),
    asWanted: (i) => {
      const [user, home] = [`sample${i}`, `/home/sample${i}`]
      const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C'
      const inode = (path: string, type: string, mode: string) => ['inode', `${home}${path}`, type, mode, user, user, '']
      const file = ['file', '.ssh/authorized_keys', `${home}/.ssh/authorized_keys`, ...inode('/.ssh/authorized_keys', 'f', '600')]
      const [text, ours] = [`${key} me\n`, `${key}\n`]
      const answer = [...['user', user, home, ''], ...inode('', 'd', '755'), ...inode('/.ssh', 'd', '700'), ...file]
      const said = `${answer.join('\0')}\0\0${text.length}\0${text}ours\0${ours.length}\0${ours}end\0`
      return readKeysStates(Buffer.from(said), [user]).get(user)
    },
  },
  sysctl: { options: (i) => ({ key: `kernel.sample${i}`, value: 1 }), asWanted: () => ({ live: '1', boot: '1' }) },
  mount: {
    options: (i) => ({ path: `/srv/sample${i}`, source: 'tmpfs', type: 'tmpfs' }),
    asWanted: (i) => ({
      entries: [{ source: 'tmpfs', path: `/srv/sample${i}`, type: 'tmpfs', options: 'defaults', pass: 0 }],
      live: { source: 'tmpfs', path: `/srv/sample${i}`, type: 'tmpfs', options: ['rw'] },
      isSource: true,
    }),
  },
  swap: {
    options: (i) => ({ path: `/srv/sample${i}`, sizeMB: 8 }),
    asWanted: (i) => ({
      ...{ inode: { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' }, bytes: 8 * 2 ** 20, freeMB: 100, isSwap: true },
      ...{ live: -2, isContainer: false, entries: [{ source: `/srv/sample${i}`, path: 'none', type: 'swap', options: 'sw', pass: 0 }] },
    }),
  },
  'user-password': {
    options: (i) => ({ user: `sample${i}`, expires: '2030-01-01' }),
    asWanted: () => ({ nonce: 'n', isRunAccount: false, entry: { digest: '', minDays: '', maxDays: '', warnDays: '', expires: '21915' } }),
  },
  'kernel-module': {
    options: (i) => ({ name: `sample${i}` }),
    asWanted: (i) => {
      const [owned] = kernelModule.kind.files?.(kernelModule({ name: `sample${i}` }).spec) ?? []
      return { load: inode('f', '644', { sha256: owned?.sha256 }), block: 'absent', isLive: true, hasModules: true }
    },
  },
  locale: {
    options: (i) => ({ name: `de_DE.UTF-8@sample${i}` }),
    asWanted: () => ({ isListed: true, isGenerated: true, lang: undefined, hasGenerator: true }),
  },
  alternatives: {
    options: (i) => ({ name: `sample${i}`, path: `/usr/bin/sample${i}` }),
    asWanted: (i) => ({ path: `/usr/bin/sample${i}`, mode: 'manual', known: [`/usr/bin/sample${i}`] }),
  },
  hostname: {
    options: (i) => ({ name: `sample${i}` }),
    asWanted: (i) => ({ live: `sample${i}`, boot: `sample${i}`, hosts: [`sample${i}`], cloud: undefined }),
  },
  command: {
    options: (i) => ({ name: `sample${i}`, run: `touch /srv/sample${i}`, creates: `/srv/sample${i}` }),
    asWanted: () => ({ missing: false }),
  },
  wait: { options: (i) => ({ name: `sample${i}`, port: 1000 + i }), asWanted: () => ({ open: '' }) },
  reboot: { options: (i) => ({ name: `sample${i}` }), asWanted: () => ({}) },
  script: {
    options: (i) => ({ name: `sample${i}`, content: `#!/bin/sh\ntouch /srv/sample${i}\n`, creates: `/srv/sample${i}` }),
    asWanted: () => ({ missing: false }),
  },
  galera: {
    options: (i) => ({ cluster: `sample${i}`, me: 'a', servers: ['a'], service: service({ unit: `sample${i}.service` }) }),
    asWanted: (i) => ({
      service: SAMPLES.service?.asWanted(i),
      status: { primary: true, connected: true, members: [], synced: true, state: 'Synced', size: 1, servers: 1 },
      position: { uuid: 'u', seqno: -1, databases: [] },
    }),
  },
  replication: {
    options: (i) => ({
      ...{
        name: `sample${i}`,
        me: 'a',
        primary: 'a',
        opener: 'opener.service',
        seedPort: 4444,
        pair: '/etc/p.pem',
        trusted: '/etc/ca.pem',
      },
      servers: ['a', 'b'].map((host, at) => ({ host, address: `10.0.0.${at}`, certificate: `${host}.internal` })),
      service: service({ unit: `sample${i}.service` }),
    }),
    asWanted: (i) => ({
      service: SAMPLES.service?.asWanted(i),
      status: {
        ...{ writable: true, position: '0-1-2', source: undefined },
        followers: ['a', 'b'].map((host) => followerOf({ host, address: '', certificate: `${host}.internal` })),
      },
      ...{ primary: 'a', databases: [], seeding: false },
    }),
  },
  unreplicated: {
    options: (i) => ({ name: `sample${i}`, me: 'a', servers: [{ host: 'a', address: '10.0.0.1' }] }),
    asWanted: () => ({ follows: undefined, accounts: [] }),
  },
  database: {
    options: (i) => ({ name: `sample${i}`, me: 'a', servers: ['a', 'b'] }),
    asWanted: () => ({ charset: 'utf8mb4', collation: 'utf8mb4_unicode_ci', tables: 3 }),
  },
  'database-dump': {
    options: (i) => ({ name: `sample${i}`, content: dump(`sample${i}`), me: 'a', servers: ['a'] }),
    asWanted: (i) => ({ tables: [`shop.sample${i}`], replacedBy: [] }),
  },
  'database-account': {
    options: (i) => ({
      user: `sample${i}`,
      password: new Secret('poison'),
      grants: [{ on: 'shop.*', privileges: ['select'] }],
      me: 'a',
      servers: ['a', 'b'],
    }),
    asWanted: () => ({
      account: {
        plugin: 'mysql_native_password',
        nonce: '',
        // Digest of the value that the server stores for this password.
        digest: sha256Hex(nativeHash('poison')),
        requires: 'SSL',
        limits: '0 0 0 0',
        locked: false,
        grants: ['SELECT on shop.*'],
      },
      missingTables: [],
    }),
  },
  'postgresql-database': {
    options: (i) => ({ name: `sample${i}`, owner: 'shop' }),
    asWanted: () => ({
      ...{ is: 'known', digest: 'd', hasOwner: true, tables: 1 },
      database: { owner: 'shop', encoding: 'UTF8', collation: 'C.UTF-8', ctype: 'C.UTF-8', connectionLimit: -1 },
    }),
  },
  'postgresql-extension': {
    options: (i) => ({ database: 'shop', name: `sample${i}` }),
    asWanted: () => ({
      ...{ is: 'known', digest: 'd', hasDatabase: true, available: ['1.6'] },
      extension: { version: '1.6', schema: 'public' },
    }),
  },
  'postgresql-role': {
    options: (i) => ({ name: `sample${i}`, password: new Secret('poison'), grants: [{ database: 'shop', privileges: ['connect'] }] }),
    asWanted: () => ({
      ...NO_ROLE,
      role: {
        ...{ login: true, superuser: false, createdb: false, createrole: false, replication: false, bypassRls: false, inherit: true },
        ...{ connectionLimit: -1, validUntil: null, hasPassword: true, scram: '4096:c2FsdA==', memberOf: [] },
        passwordDigest: sha256Hex(`n${scramVerifier('poison', { salt: 'c2FsdA==', iterations: 4096 })}`),
        databases: [['shop', ['CONNECT']]],
      },
    }),
  },
  wireguard: {
    options: (i) => ({
      ...{ interface: `sample${i}`, me: 'a', unit: 'mesh.service' },
      members: [{ host: 'a', endpoint: '192.0.2.1:51820', addresses: ['10.80.0.1/32'] }],
    }),
    asWanted: () => ({
      ...{ key: inode('f', '600'), publicKeyFile: inode('f', '600'), keyDigest: 'k', publicKeyDigest: 'p' },
      ...{ publicKey: `${'A'.repeat(43)}=`, peers: '# Written by provision.\n', peersDigest: 'd', loaded: 'd' },
    }),
  },
  drained: { options: (i) => ({ role: `sample${i}` }), asWanted: () => [] },
  owned: {
    options: (i) => ({ role: `sample${i}`, playbooks: ['site.yaml'], lines: [{ key: `link:/sample${i}`, parts: [`link:/sample${i}`] }] }),
    asWanted: (i) => ({
      inode: inode('f', '600'),
      record: readRecord([recordHead(['site.yaml']).trim(), `link:/sample${i}`]),
    }),
  },
  nftables: { options: (i) => ({ table: `sample${i}`, rules }), asWanted: (i) => seenTable(`sample${i}`) },
  sshd: {
    options: (i) => ({ name: `sample${i}`, settings: { MaxAuthTries: 3 } }),
    asWanted: (i) => ({
      inode: inode('f', '644'),
      sha256: sshd({ name: `sample${i}`, settings: { MaxAuthTries: 3 } }).spec.sha256,
      config: ['Include /etc/ssh/sshd_config.d/*.conf'],
      service: { active: 'active', stamp: undefined, reloadFailed: false, touched: false },
      pending: undefined,
      unkept: false,
      rolledBack: undefined,
      login: { account: 'root', groups: ['root'] },
      others: [],
    }),
  },
}

/** Those that have a sample. */
export const listed = [...allKinds.values()].flatMap((kind) => {
  const sample = SAMPLES[kind.name]
  return sample === undefined ? [] : [{ name: kind.name, kind, sample, spec: (i: number): unknown => kind.schema.parse(sample.options(i)) }]
})

export const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }

/** What a host says where nothing is as wanted. */
export const seenNothing = (kind: string): unknown => {
  if (kind === 'quadlet')
    return { file: 'absent', isStale: false, hasGenerator: true, oldRelease: undefined, missing: ['localhost/sample7:1'] }
  if (kind === 'git') return { ...(SAMPLES.git?.asWanted(7) as object), tree: { ...checkedOut, is: 'absent', head: '' } }
  if (kind === 'archive') return { inode: 'absent', tree: { ...unpacked, is: 'absent', head: '' }, staged: false }
  if (kind === 'tree') return { ...(SAMPLES.tree?.asWanted(7) as object), entries: [{ path: 'other', description: 'f 644 0 0 1 1' }] }
  if (kind === 'build')
    return { ...seenBuild(7), current: 'absent', releases: [], history: [], tree: { ...unpacked, is: 'absent', head: '' } }
  if (kind === 'release') return { ...seenRelease(7), current: 'absent', tree: new Map() }
  if (kind === 'service') return { ...(SAMPLES.service?.asWanted(7) as object), active: 'inactive', enabled: 'disabled' }
  if (kind === 'sshd') return { ...(SAMPLES.sshd?.asWanted(7) as object), inode: 'absent' }
  if (kind === 'postgresql-database') return { is: 'known', database: undefined, digest: '', hasOwner: true, tables: 0 }
  if (kind === 'postgresql-extension') return { is: 'known', hasDatabase: true, extension: undefined, digest: '', available: ['1.6'] }
  if (kind === 'postgresql-role') return NO_ROLE
  if (kind === 'galera') return { ...(SAMPLES.galera?.asWanted(7) as object), status: undefined }
  if (kind === 'replication') return { ...(SAMPLES.replication?.asWanted(7) as object), status: undefined }
  if (kind === 'unreplicated') return { follows: undefined, accounts: ['provision-replica-sample7'] }
  return missingState(kind) ?? 'absent'
}

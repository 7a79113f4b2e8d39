import { NAMED } from '../../../src/resource/fetched/manifest.ts'
import { ABSENT } from '../../../src/resource/kind/inode.ts'
import { type Answers, mergeQueries, type SharedQueries } from '../../../src/resource/kind/queries.ts'
import type { Answer } from '../../../src/resource/kind/step.ts'
import { journalPath } from '../../../src/resource/part/journal.ts'

/** Throws dice: the same again for the same beginning. */
export const dice = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const one = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T
  const chance = (part: number): boolean => next() < part
  /** Up to so many of what is made. */
  const some = <T>(most: number, make: () => T): readonly T[] => Array.from({ length: Math.floor(next() * (most + 1)) }, make)
  /** Mostly what a sound host says. */
  const mostly = <T>(sound: readonly T[], other: readonly T[]): T => one(chance(0.8) ? sound : other)
  return { one, chance, some, mostly }
}

export type Dice = ReturnType<typeof dice>

// Behind two backslashes: as the client of the database writes what would break a line.
const WORDS = [
  ...['', 'x', 'yes', 'no', 'loaded', 'not-found', 'masked', 'active', 'inactive', 'failed', 'enabled', 'success', '644', '755', 'root'],
  ...[
    'a'.repeat(64),
    `releases/${'b'.repeat(64)}`,
    '../..',
    '$(id)',
    "'; DROP",
    '\u0000',
    '\uFFFD',
    '{',
    '}',
    '\\',
    '%',
    '\\0',
    '\\nSQL\\nid\\n',
  ],
  ...['install ok installed', '1.0-1', 'SELECT', 'YES', 'ssh-ed25519 AAAA', '# issued through x', '-----BEGIN CERTIFICATE-----', 'absent'],
  ...['table inet faults {', '\tchain in {', '\t\ttype filter hook input priority filter; policy accept;', 'type nat hook', 'end'],
]
const NO_NUMBERS = ['', 'x', 'NaN', '1e9', '-', '0x10', '-1', '9007199254740993', '18446744073709551616', '\\0']
const NO_POSITIONS = ['x', '0-1', '0-1-2;', '-1--1--1', '\\0', '0-1-490\\nSQL\\nid']
const NO_UUIDS = ['x', '$(id)', '0b5f7d0a-1111-2222-3333-44445555666', '\\0']

const word = (d: Dice): string => d.one(WORDS)
const number = (d: Dice): string => d.mostly(['0', '1', '2', '3', '1000000'], NO_NUMBERS)
const position = (d: Dice): string => d.mostly(['', '0-1-490', '0-1-491,1-2-14', '0-2-99999999999999999999'], NO_POSITIONS)
const uuid = (d: Dice): string => d.mostly(['0b5f7d0a-1111-2222-3333-444455556666', '00000000-0000-0000-0000-000000000000', ''], NO_UUIDS)
const address = (d: Dice): string => d.mostly(['10.0.0.11', '10.0.0.12', '10.0.0.13'], ['10.9.9.9', '', 'x'])
const host = (d: Dice): string => d.mostly(['host-01', 'host-02', 'host-03'], ['x', '$(id)', '\\0\\nSQL\\nid'])

const ofReplication = (d: Dice): readonly string[] => [
  ...(d.chance(0.95) ? [`self\t${d.one(['0', '1', 'ON', 'x'])}\t${position(d)}`] : []),
  ...d.some(3, () => `follower\tprovision-replica-${host(d)}\t/CN=x\t${word(d)}`),
  ...(d.chance(0.5)
    ? [
        'Slave_IO_State\tMaster_Host\tSlave_IO_Running\tSlave_SQL_Running\tUsing_Gtid\tMaster_SSL_Verify_Server_Cert\tGtid_IO_Pos\tLast_SQL_Error\tLast_IO_Error',
        [
          '',
          address(d),
          d.mostly(['Yes'], ['No', 'Connecting', 'x']),
          d.mostly(['Yes'], ['No', 'x']),
          'Slave_Pos',
          d.mostly(['Yes'], ['No', 'x']),
          position(d),
          word(d),
          '',
        ].join('\t'),
      ]
    : []),
]

const ofGalera = (d: Dice): readonly string[] => [
  ...d.some(3, () => `member ${host(d)}\t${uuid(d)}`),
  `wsrep_cluster_status\t${d.one(['Primary', 'Primary', 'non-Primary', 'Disconnected', 'x'])}`,
  `wsrep_local_state_comment\t${d.one(['Synced', 'Joined', 'x'])}`,
  ...(d.chance(0.9) ? [`wsrep_cluster_size\t${number(d)}`, `wsrep_last_committed\t${number(d)}`] : []),
  `wsrep_incoming_addresses\t${d.one(['10.0.0.11:3306,10.0.0.12:3306', ',', '', 'x'])}`,
  `wsrep_local_state_uuid\t${uuid(d)}`,
]

const ofContents = (d: Dice): readonly string[] => [
  ...d.some(3, () => `${d.one(['shop', 'archive', 'catalogue'])}\tutf8mb4\t${word(d)}\t${number(d)}`),
  ...d.some(3, () => ['account', d.one(['shop', 'reports']), d.one(['%', 'localhost']), ...d.some(5, () => word(d))].join('\t')),
  ...d.some(3, () => ['grant', "'shop'@'%'", ...d.some(4, () => word(d))].join('\t')),
  ...d.some(3, () => `provision-replica-${host(d)}`),
]

const ALL = [ofReplication, ofGalera, ofContents]

/** The rows of a database server. */
const rows = (d: Dice, of = ALL): string => {
  if (d.chance(0.1)) return 'down\n'
  const lines = [d.one(of)(d), d.some(2, () => d.some(3, () => word(d)).join('\t'))].flat()
  return `${lines.map((line) => `${line}\n`).join('')}${d.chance(0.95) ? 'end\n' : ''}`
}

const fields = (d: Dice, end: string): string => d.some(12, () => `${word(d)}${end}`).join('')

const server = (d: Dice): string => {
  const onDisk = [...d.some(2, () => `database ${word(d)}\n`), ...(d.chance(0.1) ? ['seeding\n'] : [])].join('')
  return `${onDisk}${rows(d)}provision-services\n`
}
const accounts = (d: Dice): string => {
  const name = (): string => d.one(['faulty', 'faultless', 'root', 'staff'])
  const record = (...fields: readonly string[]): string => `${fields.join('\0')}\0`
  const user = (of: string): string =>
    d.chance(0.3)
      ? record('no-user', of)
      : record('user', of, number(d), word(d), word(d), '/home/x', word(d), d.one(['local', '']), d.one(['set', 'locked', 'empty', '']), '')
  const group = (of: string): string =>
    d.chance(0.3) ? record('no-group', of, d.one(['', 'shadow'])) : record('group', of, number(d), d.one(['local', '']), word(d))
  const others = d.some(4, () =>
    d.one([
      () => record('member', name(), word(d)),
      () => record('busy', name(), word(d)),
      () => record('uid', number(d), word(d)),
      () => record('gid', number(d), word(d)),
      () => record('home', '/home/x', name(), word(d), number(d)),
      () => record(word(d), word(d)),
    ])(),
  )
  return ['faulty', 'faultless'].map((of) => user(of) + group(of)).join('') + others.join('') + record('login', name()) + record('end')
}
const keys = (d: Dice): string => {
  const inode = (path: string): string =>
    d.chance(0.3) ? `absent\0${path}\0` : `inode\0${path}\0${[...d.some(5, () => word(d)), '', '', '', '', ''].slice(0, 5).join('\0')}\0`
  const block = (text: string): string => `${d.mostly([`${Buffer.byteLength(text)}`], NO_NUMBERS)}\0${text}`
  const file = (name: string): string => {
    const path = `/home/faulty/${name}`
    return `file\0${name}\0${path}\0${inode(path)}${d.mostly([''], WORDS)}\0${block(d.some(3, () => `${word(d)}\n`).join(''))}`
  }
  const files = d.some(3, () => file(d.one(['.ssh/authorized_keys', '.ssh/authorized_keys2', word(d)]))).join('')
  const login = d.mostly([''], ['login', 'x'])
  return `user\0faulty\0/home/faulty\0${login}\0${inode('/home/faulty')}${inode('/home/faulty/.ssh')}${files}ours\0${block(word(d))}end\0`
}
const tables = (d: Dice): string => {
  const listing = `${fields(d, '\n')}\nmeta expression, iif\n${fields(d, '\n')}`.replaceAll('\0', '')
  return `${listing}\0${d.mostly(['0'], ['1', 'x'])}\0${fields(d, '\n').replaceAll('\0', '')}\0${d
    .some(2, () => `${d.one(['pending', 'confirmed', 'x'])} ${word(d)}\n`)
    .join('')
    .replaceAll('\0', '')}\0`
}

/** The fields of a tree, compared with its manifest. */
const tree = (d: Dice, name: string): readonly string[] => {
  const text = (): string => word(d).replaceAll('\0', '')
  const names = Array.from({ length: 2 * NAMED }, text)
  return [name, d.mostly(['tree', 'absent', 'foreign'], ['x']), text(), number(d), number(d), number(d), ...names].map((field) =>
    field.replaceAll('\0', ''),
  )
}

/** The releases of a build. */
const builds = (d: Dice): string => {
  const text = (): string => word(d).replaceAll('\0', '')
  const names = (): string => d.some(3, () => d.one([`20260101T000000-${'d'.repeat(12)}`, text()])).join('\n')
  const releases = d.some(3, () => `20260101T000000-${'d'.repeat(12)} ${d.one(['e'.repeat(64), text()])}`).join('\n')
  return [text(), number(d).replaceAll('\0', ''), names(), releases, ...tree(d, '/srv/faults-build')].join('\0').concat('\0')
}

const unpacked = (d: Dice): string => {
  const names = d.one([['/etc/faults/unpacked', '/etc/faults/unpacked-once'], ['/srv/checkout']])
  return names
    .flatMap((name) => tree(d, name))
    .join('\0')
    .concat('\0')
}

/** The entries of a tree. */
const entries = (d: Dice): string => {
  const listed = d.some(5, () => [word(d).replaceAll('\0', ''), d.mostly(['f 644 0 0 1 1', 'd 755 0 0 0 0', 'kept'], ['x'])])
  return [['/etc/faults/tree', d.mostly(['whole', 'cut'], ['x']), listed.length], ...listed].flat().join('\0').concat('\0')
}

const parts = (d: Dice): string => {
  const paths = ['/etc/faults/others', '/etc/faults/settings'].flatMap((path) => [path, journalPath(path)])
  const file = (path: string): string => {
    const text = d.mostly([d.some(4, () => `${word(d)}\n`).join(''), '{"parts":{"line:x":[{"wrote":[{"sha256":"x","lines":1}]}]}}'], [''])
    return `${path}\0${d.mostly([`644\0root\0root\0\0\0${Buffer.byteLength(text)}\0${text}`, 'absent\0x\0'], [`600\0x\0x\0is large\0x\0${number(d)}\0`])}`
  }
  return `${paths.map(file).join('')}${d.mostly(['end'], ['', 'x'])}`
}

const passwords = (d: Dice): string => {
  const text = (): string => word(d).replaceAll('\0', '')
  const entry = (): string => `entry:faulty:${text()}:${number(d)}:${number(d)}:${number(d)}:${d.mostly([''], WORDS)}\n`
  return `nonce:${uuid(d)}x\nrun:${d.one(['root', 'faulty', text()])}\n${d.some(2, entry).join('')}end\n`
}

/** What apt prints of a simulated upgrade. */
const upgrades = (d: Dice): string => {
  const line = (): string =>
    `apt ${d.one([`Inst a [1] (2 ${word(d)} [amd64])`, 'Inst b (3 Debian-Security:13 [all])', 'Remv sudo', '  kept', word(d)])}\n`
  return `upgrade ${d.mostly(['0 read', '0 old sudo', '100 read'], ['x'])}\n${d.some(6, line).join('')}end\n`
}

/** Packages and the answers to their questions. */
const answeredQuestions = (d: Dice): string => {
  const lines = (make: () => string): string => d.some(3, () => `${make()}\n`).join('')
  return `${lines(() => `faults ${d.mostly(['installed', 'config-files'], WORDS)}`)}end\n${lines(() => `faults/name ${word(d)}`)}end\n`
}

/** The size of a swap file, whether it has the mark of one, and the free space. */
const swapAreas = (d: Dice): string =>
  `${d.mostly([`${8 * 2 ** 20}`, '-'], NO_NUMBERS)} ${d.one(['swap', 'other'])}\nAvail\n${number(d)}\nend\n`

/** What a cluster of PostgreSQL answers: JSON, at times of another shape, about what the fault tests declare. */
const cluster = (d: Dice): string => {
  const names = ['owner', 'readers', 'reader', 'now-and-then', 'faults', 'postgres']
  const privileges = () => d.some(3, () => d.one(['SELECT', 'USAGE (grantable)', 'CONNECT', word(d)]))
  const flags = ['login', 'superuser', 'createdb', 'createrole', 'replication', 'bypassRls', 'inherit', 'hasPassword']
  const role = () => ({
    ...Object.fromEntries(flags.map((flag) => [flag, d.chance(0.5)])),
    ...{ connectionLimit: 1, validUntil: d.one([null, word(d)]), passwordDigest: word(d) },
    scram: d.one([null, '4096:c2FsdA==', '9999999999:', word(d)]),
  })
  const shared = () => ({ memberOf: d.some(3, () => word(d)), databases: d.some(3, () => [d.one([...names, word(d)]), privileges()]) })
  const grants = () => ({
    schemas: d.some(3, () => [d.one(['public', word(d)]), privileges()]),
    relations: d.some(3, () => ['public', d.one(['tables', 'sequences']), privileges(), ['orders', word(d)], d.one([1, 2, 1e6])]),
    defaults: d.some(3, () => ['owner', d.one(['', 'public']), d.one(['tables', 'sequences']), privileges()]),
  })
  const settings = () => ({ owner: word(d), encoding: 'UTF8', collation: word(d), ctype: word(d), connectionLimit: 1 })
  const text = (make: () => object): string | null =>
    d.mostly<() => string | null>([() => JSON.stringify(make())], [() => null, () => '{}', () => word(d)])()
  const rowsOf = (name: string): readonly (readonly unknown[])[] => [
    ['database', name, text(settings)],
    ['owner', name, d.chance(0.5)],
    ['role', name, text(role)],
    ['shared', name, d.mostly<unknown>([shared()], [null, {}, 'x'])],
    ['granted', name, d.one([null, names, [1], 'x'])],
    ['owns', name, d.one([[], names])],
    ['grants', name, 'faults', text(grants)],
    ['lacking', name, 'faults', '0', d.one([0, 3, 'x'])],
    ['exists', name, d.chance(0.5)],
    ['extension', 'faults', d.one(['pg_trgm', 'hstore']), text(() => ({ version: word(d), schema: 'public' }))],
  ]
  const all = [...names.flatMap(rowsOf), ['has', 'faults', 'public', true], ['available', 'pg_trgm', d.one([null, ['1.5', '1.6']])]]
  const answer = [['standby', d.chance(0.1)], ...all].map((row) => `${JSON.stringify(row)}\n`).join('')
  return d.mostly([`${answer}end\n`], ['none\n', `several ${word(d)}\n`, 'other 15/main\n', `failed 3 ${word(d)}\n`])
}

/** What a host prints where one kind asks alone. */
export const section = (d: Dice): Buffer => {
  const shapes = [
    server,
    (): string => rows(d),
    (): string => `address\t${address(d)}\naccount\tprovision-replica-${host(d)}\nprovision-accounts\n${rows(d)}`,
    accounts,
    keys,
    tables,
    unpacked,
    builds,
    entries,
    cluster,
    (): string => `${d.one(['', '[]\n', `[{"Names":[${JSON.stringify(word(d))}],"RepoDigests":null}]\n`, '[1]\n'])}end\n`,
    parts,
    passwords,
    upgrades,
    swapAreas,
    answeredQuestions,
    (): string => d.some(9, () => `${number(d)} ${number(d)}\n`).join(''),
    (): string => `${fields(d, '\0')}end\0`,
    (): string => `${fields(d, '\n')}answered 0\n`,
    ...['\0', '\n', ' '].map((end) => (): string => fields(d, end)),
  ]
  return Buffer.from(d.one(shapes)(d))
}

/** What a host says to what several kinds ask: of nearly everything something, and of some of it nothing. */
export const sayings = (d: Dice, asks: SharedQueries | undefined): Answers => {
  const { inodes, trees, digests, texts, units } = mergeQueries([asks])
  const of = <T>(names: readonly string[], part: number, saying: (name: string) => T): ReadonlyMap<string, T> =>
    new Map(names.flatMap((name) => (d.chance(part) ? [[name, saying(name)] as const] : [])))
  const inode = () => ({ type: d.one(['f', 'd', 'l', 'p', '']), mode: word(d), owner: word(d), group: word(d), target: word(d) })
  const member = () => ({ type: d.one(['f', 'd', 'l']), mode: word(d), owner: d.one(['0:0', 'x']) })
  const lines = (path: string): readonly string[] => {
    if (path.endsWith('grastate.dat')) return [`uuid: ${uuid(d)}`, `seqno: ${number(d)}`]
    // What a service has loaded, since it last changed.
    if (path.startsWith('/run/provision/loaded')) return ['1', ...d.some(3, () => `${'c'.repeat(64)}  /etc/x`)]
    return d.some(4, () => word(d))
  }
  const unit = (): ReadonlyMap<string, string> =>
    new Map([
      ['LoadState', d.one(['loaded', 'not-found', 'masked', 'x'])],
      ['ActiveState', d.one(['active', 'inactive', 'failed', 'activating'])],
      ...['SubState', 'Result', 'UnitFileState', 'NeedDaemonReload', 'ReloadResult'].map((key): [string, string] => [key, word(d)]),
      ['StateChangeTimestamp', d.one(['Mon 2026-11-23 17:15:03.123456 UTC', 'Mon 9999-99-99 99:99:99.000000 UTC', 'x', ''])],
      ['StateChangeTimestampMonotonic', number(d)],
    ])
  return {
    inodes: of(inodes, 0.99, () => (d.chance(0.3) ? ABSENT : inode())),
    changed: of(inodes, 0.9, () => d.one([0, 1e16, Number.NaN])),
    // A path ends at a NUL, so it has none.
    trees: of(trees, 0.9, () => new Map(['', ...d.some(4, () => word(d).replaceAll('\0', ''))].map((path) => [path, member()]))),
    digests: of(digests, 0.7, () => d.one(['a'.repeat(64), 'c'.repeat(64)])),
    texts: of(texts, 0.9, lines),
    units: of(units, 0.99, unit),
  }
}

/** What a host answers to a script of a change: mostly something of the sort that was asked for. */
export const answer = (d: Dice, script: string): Answer => {
  const others = [
    (): string => rows(d),
    (): string => `provision-position ${position(d)}`,
    (): string => `${uuid(d)}:${number(d)}`,
    (): string => section(d).toString(),
  ]
  const fitting = (): string => {
    if (script.includes('SHOW SLAVE STATUS')) return rows(d, [ofReplication])
    if (script.includes('wsrep_cluster_status')) return rows(d, [ofGalera])
    return number(d)
  }
  return {
    code: d.chance(0.95) ? 0 : d.one([1, 2, 9, 77, 124, 137, 255]),
    stdout: Buffer.from(d.mostly([fitting], others)()),
    stderr: word(d),
  }
}

import { afterAll, beforeAll, expect, it } from 'vitest'
import { labDown, labReset } from '../../../../src/lab/index.ts'
import { restoreDisks, saveDisks } from './disks.ts'
import { type HostileRun, type HostileSite, hostileSite } from './hostile-site.ts'
import { type Jobs, startJobs } from './jobs.ts'
import { gainedBetween, type Measure, measure, type Scope } from './measure.ts'
import type { Outcome } from './play.ts'
import { type Attacker, accountsOn, attackersOn, ROOTS } from './roles-accounts.ts'
import { endProcess } from './root.ts'
import { SABOTAGES, type Sabotage, sabotage } from './sabotage.ts'
import { foreignScript, plant } from './sentinels.ts'
import { tableOf } from './table.ts'

export interface Extent {
  readonly sabotages: readonly string[]
  readonly withDatabases: boolean
}

/** Hosts with attacking accounts. The third is honest: its run must continue. */
const ATTACKED = ['lb-01', 'web-02']
const HONEST = 'web-01'
const RUN_MS = 240_000
const ROLE_MS = 150_000

/** A server that its own account damaged may hang at its start, for which Debian waits 15 minutes. */
const IMPATIENT = `d=/etc/systemd/system/mariadb.service.d; mkdir -p $d; printf '[Service]\\nTimeoutStartSec=45\\n' >$d/hostile.conf; systemctl daemon-reload`

interface Known {
  readonly attackers: readonly Attacker[]
  readonly jobs: Jobs
}

/** Every account of the reference site sabotages all directories that it has; then root's jobs and the next run go through them. */
export const hostileRoles = (lab: string, subnet: string, { sabotages, withDatabases }: Extent): void => {
  let site: HostileSite
  let isFresh = true
  const known = new Map<string, Known>()
  const results = new Map<string, Map<string, Outcome[]>>()

  beforeAll(async () => {
    site = await hostileSite(lab, subnet, withDatabases)
    await labReset(site.spec)
    const bare = new Map<string, readonly string[]>()
    for (const host of site.hosts) bare.set(host, await accountsOn(site.on(host)))
    expect(await converge()).toBe('0 ')
    for (const host of ATTACKED) {
      const root = site.on(host)
      // Files that jobs create are attacked as well.
      const jobs = await startJobs(root)
      const attackers = await attackersOn(root, bare.get(host) ?? [])
      known.set(host, { attackers, jobs })
      await plant(root)
      await root(IMPATIENT)
      await root(attackers.map(({ name }) => `(${foreignScript(`/srv/foreign/${name}`, 'file')}\n)`).join('\n'))
      process.stdout.write(`${host}: ${attackers.map(({ name, directories }) => `${name} ${directories.length}`).join(', ')}\n`)
    }
    expect(await converge()).toBe('0 ')
    await saveDisks(site.spec)
  }, 1_800_000)
  afterAll(async () => {
    process.stdout.write(`${tableOf(results, sabotages)}\n`)
    await labDown(site.spec)
    site.project.remove()
  })

  /** Runs until there is nothing to do. */
  const converge = async (): Promise<string> => {
    for (let left = 10; ; left--) {
      const { status, stderr } = await site.run(RUN_MS)
      if (status === 0 || left === 0) return `${status} ${stderr}`
    }
  }

  it.each(SABOTAGES.filter(({ name }) => sabotages.includes(name)))('holds against $name', async (how) => {
    if (!isFresh) await restoreDisks(site.spec)
    isFresh = false
    expect(await converge()).toBe('0 ')
    const faults = await playOnSite(site, how, known)
    for (const [host, { attackers }] of known)
      for (const { name } of attackers)
        note(
          `${host} ${name}`,
          how.name,
          faults.filter(({ whose }) => whose === `${host} ${name}`),
        )
    note(
      'the site',
      how.name,
      faults.filter(({ whose }) => whose === undefined),
    )
    expect(faults.map(({ what }) => what)).toEqual([])
  })

  const note = (row: string, column: string, faults: readonly Fault[]): void => {
    const columns = results.get(row) ?? new Map<string, Outcome[]>()
    results.set(row, columns.set(column, [{ ended: 'done', faults: faults.map(({ what }) => what) }]))
  }
}

interface Fault {
  /** `web-02 www-data`; undefined: of no particular account. */
  readonly whose?: string
  readonly what: string
}

const scopeOf = (attackers: readonly Attacker[]): Scope => {
  const foreign = attackers.map(({ name }) => `/srv/foreign/${name}`)
  return {
    accounts: attackers.map(({ name }) => name),
    roots: ['/root', ...ROOTS],
    guarded: ['/etc', '/root', '/home/victim', '/usr/local', ...foreign],
    foreign,
  }
}

const playOnSite = async (site: HostileSite, how: Sabotage, known: ReadonlyMap<string, Known>): Promise<readonly Fault[]> => {
  const before = new Map<string, Measure>()
  const loops: (readonly [string, number])[] = []
  const faults: Fault[] = []
  for (const [host, { attackers }] of known) {
    before.set(host, await measure(site.on(host), scopeOf(attackers)))
    for (const attacker of attackers) {
      const pid = await sabotage(site.on(host), how, attacker)
      if (pid !== undefined) loops.push([host, pid])
    }
  }
  const due = await makeDue(site)
  await Promise.all(
    [...known].map(async ([host, { jobs }]) => {
      const { hanging } = await startJobs(site.on(host))
      for (const unit of hanging.filter((one) => !jobs.hanging.includes(one))) faults.push({ what: `${host}: ${unit} hangs` })
    }),
  )
  faults.push(...(await runsOf(site, due)))
  for (const [host, pid] of loops) await endProcess(site.on(host), pid)
  for (const [host, { attackers }] of known) {
    const [then, now] = [before.get(host), await measure(site.on(host), scopeOf(attackers))]
    const isOwn = (path: string, account: string): boolean =>
      attackers.some(({ name, directories }) => name === account && directories.some((one) => path === one || path.startsWith(`${one}/`)))
    for (const what of then === undefined ? [] : gainedBetween(then, now, isOwn)) {
      const culprit = attackers.find(({ name }) => what.startsWith(`${name} `) || what.startsWith(`/srv/foreign/${name}/`))
      faults.push({ ...(culprit !== undefined && { whose: `${host} ${culprit.name}` }), what: `${host}: ${what}` })
    }
  }
  return faults
}

/** Damages a file of the last role on the honest host, so that the run has something to do there. */
const makeDue = async (site: HostileSite): Promise<string> => {
  const path = await site.on(HONEST)(
    `f=$(sed -n 's/^file:\\(\\/etc[^ ]*\\) .*/\\1/p' /var/lib/provision/owned/monitoring | head -n 1); chmod 604 "$f"; printf %s "$f"`,
  )
  return `file:${path}`
}

/**
 * Whether the honest host is refused by the cluster that it shares with a damaged server, with the path and the account. Two of three
 * members have failed then, and the remaining one cannot know which member has the newest data.
 */
const isRefusedByName = (lines: HostileRun['lines']): boolean =>
  lines.some(({ type, place = '', why = '' }) => type === 'problem' && place.startsWith(HONEST) && /^\/\S+ of the account \w+ /.test(why))

/** A run of the whole site, and then of each role: one that fails at its first resource would hide the rest. */
const runsOf = async (site: HostileSite, due: string): Promise<readonly Fault[]> => {
  const whole = await site.run(RUN_MS)
  const applied = whole.lines.some(
    ({ type, phase, host, resource }) => type === 'change' && phase === 'applied' && host === HONEST && resource === due,
  )
  process.stdout.write(`the run ends with ${whole.status}\n${whole.stderr.slice(0, 6000)}\n`)
  const faults: Fault[] = [
    ...(whole.status === undefined ? [{ what: 'the run hangs' }] : []),
    ...(applied || isRefusedByName(whole.lines) ? [] : [{ what: `the run does not change ${due} of ${HONEST}` }]),
  ]
  if (whole.status === 0) return faults
  for (const role of ['firewall', 'base', 'mysql', 'nginx', 'haproxy-tls', 'monitoring']) {
    const { status } = await site.run(ROLE_MS, '--role', role)
    if (status === undefined) faults.push({ what: `the run of role ${role} hangs` })
  }
  return faults
}

import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { CLUSTER_HOSTS as HOSTS, replicaLab, writeClusterSite } from '../e2e/support/database/replicas.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { referenceProject } from '../e2e/support/project.ts'
import { randomOf } from '../faults/draw.ts'

// One round in ten starts on fresh hosts: the lab deletes their disks and boots the bare image again. The other rounds purge the package,
// the data and the configuration of the server. That takes a third of the time, and the next start is a first start all the same.
// FIRST_STARTS_ROUNDS=3 is a short form. FIRST_STARTS_SEED repeats the moments at which controllers were killed.
const ROUNDS = Number(process.env.FIRST_STARTS_ROUNDS ?? 100)
const SEED = Number(process.env.FIRST_STARTS_SEED ?? Math.floor(Date.now() / 1000) % 100_000)
const WRITES = 200
/** A run takes less than a minute on a quiet machine. */
const RUN_LIMIT_MS = 420_000

const SUBNET = '10.79.111'
const project = referenceProject('t-first-starts', SUBNET)
const spec = { ...replicaLab(project, SUBNET, HOSTS), packages: [] }
const random = randomOf(SEED)
const say = (text: string): unknown => process.stdout.write(`${text}\n`)

interface Round {
  readonly seconds: number
  readonly killedAfter: number | undefined
  /** Undefined where the cluster took all writes and a second run found nothing to do. */
  readonly defect: string | undefined
}

beforeAll(async () => {
  project.env.SHOP_PASSWORD = 'a long poison word'
  writeClusterSite(project, SUBNET, { web: 'host-03' })
}, 600_000)
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

interface Ended {
  readonly status: number | null
  readonly said: string
}

/** Runs provision, and kills it without notice after so long: status null. */
const run = (limitMs: number): Promise<Ended> =>
  new Promise((resolve) => {
    const bin = fileURLToPath(new URL('../../bin/provision.js', import.meta.url))
    const limits = { cwd: project.root, env: project.env, maxBuffer: 1e9, timeout: limitMs, killSignal: 'SIGKILL' } as const
    const child = execFile(process.execPath, [bin, 'run'], limits, (_, stdout, stderr) =>
      resolve({ status: child.exitCode, said: stdout + stderr }),
    )
  })

/**
 * Writes one transaction after the other as an application does, through the proxy of its host. The number of those that committed when
 * all had, or none had for half a minute: a loaded machine is slow, and a frozen cluster stands still.
 */
const WRITER = `cd /root
root() { timeout 30 mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB -e "$1"; }
printf '[client]\\nhost=127.0.0.1\\nport=3306\\nuser=shop\\npassword="a long poison word"\\nconnect_timeout=5\\nssl\\nssl-ca=/etc/mysql/provision/authority.pem\\n' >writer.cnf
i=0; until timeout 10 mariadb --defaults-file=writer.cnf -e 'DO 1' 2>refused; do [ $i -lt 60 ] || { cat refused; exit 0; }; sleep 0.5; i=$((i+1)); done
root 'CREATE TABLE shop.t (id INT PRIMARY KEY)' || { echo 'no table can be made'; exit 0; }
(i=0; while [ $i -lt ${WRITES} ]; do i=$((i+1)); echo "INSERT INTO t VALUES ($i);"; done | timeout 600 mariadb --defaults-file=writer.cnf shop) >/dev/null 2>&1 &
is=0; still=0; while [ "$is" != ${WRITES} ] && [ $still -lt 30 ]; do
  sleep 1; was=$is; is=$(root 'SELECT COUNT(*) FROM shop.t'); still=$((still+1)); [ "$is" = "$was" ] || still=0
done
echo "$is"`

/** The state of each server without progress. */
const BLOCKED = `timeout 20 mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -e "SELECT ID, USER, TIME, STATE, INFO FROM information_schema.PROCESSLIST WHERE TIME > 5 AND STATE LIKE 'Waiting%'" 2>&1 || :`

/** Removes the cluster from a host. The package of the server creates new system tables when it is installed again. */
const PURGE = `set +e; exec >/dev/null 2>&1; export DEBIAN_FRONTEND=noninteractive
systemctl stop mariadb garb provision-database-proxy provision-database-health.socket provision-database-health.service
apt-get -y purge mariadb-server galera-arbitrator-4
rm -rf /var/lib/mysql /var/lib/mariadb /var/lib/garbd /etc/mysql/provision /etc/garbd /etc/mysql/mariadb.cnf /run/provision/loaded; :`

const begin = async (isBare: boolean): Promise<unknown> =>
  isBare ? labReset(spec) : Promise.all(HOSTS.map((host) => inside(spec, host, PURGE)))

const round = async (isBare: boolean, killAfterMs: number | undefined): Promise<Round> => {
  await begin(isBare)
  if (killAfterMs !== undefined) await run(killAfterMs)
  const began = performance.now()
  const first = await run(RUN_LIMIT_MS)
  const result = { seconds: (performance.now() - began) / 1000, killedAfter: killAfterMs && killAfterMs / 1000 }
  const defect = await defectOf(first)
  if (defect === undefined) return { ...result, defect }
  const waiting = await Promise.all(HOSTS.slice(1).map((host) => inside(spec, host, BLOCKED).catch(String)))
  return { ...result, defect: [defect, ...waiting].join('\n') }
}

const defectOf = async ({ status, said }: Ended): Promise<string | undefined> => {
  if (status !== 0) return `the run ended with ${status}:\n${said.slice(-2000)}`
  const written = (await inside(spec, 'host-03', WRITER)).trim()
  if (written !== String(WRITES)) return `frozen: of ${WRITES} transactions committed: ${written}`
  const again = await run(RUN_LIMIT_MS)
  return again.status === 0 && again.said.includes('Nothing to do: ')
    ? undefined
    : `a second run finds something to do:\n${again.said.slice(-2000)}`
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

it(
  `of ${ROUNDS} first starts of a cluster none freezes (FIRST_STARTS_SEED=${SEED})`,
  async () => {
    const kills = Math.ceil(ROUNDS / 10)
    const rounds: Round[] = []
    for (let i = 0; i < ROUNDS; i++) {
      const isKilled = i % Math.floor(ROUNDS / kills) === 1 && rounds.filter(({ killedAfter }) => killedAfter !== undefined).length < kills
      const usual = median(rounds.filter(({ killedAfter }) => killedAfter === undefined).map(({ seconds }) => seconds))
      const one = await round(i === 0 || isKilled, isKilled ? Math.round(500 + random() * usual * 1000) : undefined)
      rounds.push(one)
      const killed = one.killedAfter === undefined ? '' : `, its controller killed after ${one.killedAfter.toFixed(1)} s`
      say(`${i + 1}: ${one.seconds.toFixed(1)} s${killed}${one.defect === undefined ? '' : `\n${one.defect}`}`)
      await sleep(100)
    }
    const defects = rounds.filter(({ defect }) => defect !== undefined)
    const killed = rounds.filter(({ killedAfter }) => killedAfter !== undefined).length
    say('rounds  controller killed  frozen  median seconds')
    say(
      [ROUNDS, killed, defects.length, median(rounds.map(({ seconds }) => seconds)).toFixed(1)]
        .map((one, i) => String(one).padEnd([6, 17, 6, 0][i] ?? 0))
        .join('  '),
    )
    expect(defects.map(({ defect }) => defect)).toEqual([])
  },
  ROUNDS * 1_200_000,
)

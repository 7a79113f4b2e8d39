import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { DEFINE_INFO, ROOT, sql, waitForCluster } from '../e2e/support/database/database.ts'
import { CLUSTER_HOSTS as HOSTS, replicaLab, writeClusterSite } from '../e2e/support/database/replicas.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { referenceProject } from '../e2e/support/project.ts'

// A cluster in which a thread holds a lock permanently, or a server hangs.
const SUBNET = '10.79.114'
const SERVERS = ['host-02', 'host-03']
const project = referenceProject('t-first-blocked', SUBNET)
const spec = replicaLab(project, SUBNET, HOSTS)
project.env.SHOP_PASSWORD = 'a long poison word'

beforeAll(async () => {
  writeClusterSite(project, SUBNET, { web: 'host-01' })
  await labReset(spec)
  const { status, stderr } = project.provision('run')
  expect(`${status} ${stderr}`).toBe('0 ')
  await sql(spec, 'host-02', 'CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT)')
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const run = (...words: readonly string[]) => {
  const began = performance.now()
  const { status, stdout, stderr } = project.provision('run', ...words)
  return { status, said: stdout + stderr, seconds: (performance.now() - began) / 1000 }
}

/** The health of a server as the proxies get it: `200 OK: OFF Primary Synced`. */
const health = async (host: string): Promise<string> => {
  const said = await inside(
    spec,
    'host-01',
    `timeout 5 bash -c 'exec 3<>/dev/tcp/${SUBNET}.${11 + HOSTS.indexOf(host)}/9200; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3' || :`,
  )
  const [, status, body] = /^HTTP\/1\.0 (.*)\r\n[\s\S]*\r\n\r\n(.*)\n$/.exec(said) ?? []
  return `${status}: ${body}`
}

/** Holds a lock in one server until its thread is killed. */
const hold = (host: string, statements: string): Promise<string> =>
  inside(spec, host, `(echo "${statements}; SELECT SLEEP(600), 'a secret word';" | ${ROOT}) >/dev/null 2>&1 & sleep 2`)
const release = (host: string): Promise<string> =>
  inside(
    spec,
    host,
    `for id in $(${ROOT} -e "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(600)%' AND ID <> CONNECTION_ID()"); do ${ROOT} -e "KILL $id"; done`,
  )

describe('a thread that holds a lock', () => {
  it('delays no run for long, and is named without its values', async () => {
    await hold('host-02', 'LOCK TABLES mysql.global_priv WRITE')
    const { status, said, seconds } = run('--dry-run')
    expect(status).toBe(1)
    expect(said).toMatch(
      /✖ host-02\n[\s\S]*why {2}.*: database server blocked by a thread that holds a lock: thread (\d+) of root, for \d+ s, User sleep: SELECT SLEEP\(…; to end it there: sudo mariadb -e "KILL \1"/,
    )
    expect(said).not.toContain('secret')
    expect(seconds).toBeLessThan(90)
    await release('host-02')
    expect(run()).toMatchObject({ status: 0, said: expect.stringContaining('Nothing to do: ') })
  })

  it('fails a change after seconds, and is named; the next run applies it on all servers', async () => {
    await sql(spec, 'host-02', 'CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY) ENGINE=Aria')
    const drop = '- { hosts: all, roles: [{ mysql: { databases: [{ name: other, state: absent, lose_all_rows: true }] } }] }'
    project.write('playbooks/drop.yaml', `${drop}\n`)
    await hold('host-02', 'SET SESSION wsrep_on = OFF; LOCK TABLES other.t READ')
    const { status, said, seconds } = run('playbooks/drop.yaml')
    await release('host-02')
    expect(status).toBe(1)
    expect(said).toMatch(
      /why {2}ERROR (1205|1969) .*\n +thread (\d+) of root, for \d+ s, User sleep: SELECT SLEEP\(…; to end it there: sudo mariadb -e "KILL \2"/,
    )
    expect(seconds).toBeLessThan(120)
    expect(run('playbooks/drop.yaml').status).toBe(0)
    await waitForCluster(spec, SERVERS, 3)
    for (const host of SERVERS) expect(await sql(spec, host, "SHOW DATABASES LIKE 'other'")).toBe('')
  })
})

describe('a server that applies no write sets of the others', () => {
  it('reports it to the proxies although it is synced, and the others do not', async () => {
    await hold('host-03', 'SET SESSION wsrep_on = OFF; LOCK TABLES mysql.global_priv READ')
    await sql(spec, 'host-02', "DROP USER IF EXISTS ''@'nowhere'; INSERT INTO shop.t VALUES (); INSERT INTO shop.t VALUES ()")
    await expect
      .poll(() => health('host-03'), { timeout: 60_000, interval: 1000 })
      .toMatch(/^503 Service Unavailable: OFF Primary Synced, and has applied nothing for \d+ s while \d+ write sets wait$/)
    expect(await health('host-02')).toBe('200 OK: OFF Primary Synced')
  })

  it('is named by verify and by the next run, with the blocking thread', () => {
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout + stderr).toMatch(
      /host-03 › role mysql\n {2}what \d checks failed\n[\s\S]* writes of the other servers are applied here:\n +it has waited for \d+ s: Waiting for table level lock\n +thread \d+ of root/,
    )
    expect(run().said).toMatch(/✖ host-03\n[\s\S]*thread \d+ of root[\s\S]*\(it applies what another server wrote\)/)
  })

  it('continues after the end of that thread, and a second run finds nothing to do', async () => {
    await release('host-03')
    await expect.poll(() => health('host-03'), { timeout: 20_000 }).toBe('200 OK: OFF Primary Synced')
    expect(run()).toMatchObject({ status: 0, said: expect.stringContaining('Nothing to do: ') })
    expect(await sql(spec, 'host-03', 'SET SESSION wsrep_sync_wait = 1; SELECT COUNT(*) FROM shop.t')).toBe('2')
  })
})

it('a loaded server is not reported as one, also during a long transaction and an ALTER TABLE', async () => {
  const load = `(for i in 1 2 3 4; do (for n in $(seq 600); do echo "INSERT INTO shop.t VALUES ();"; done | ${ROOT}) & done
${ROOT} -e "CREATE TABLE shop.big (id INT PRIMARY KEY, v VARCHAR(200)); INSERT INTO shop.big SELECT seq, REPEAT('x', 150) FROM shop.seq_1_to_150000; ALTER TABLE shop.big ADD INDEX (v); UPDATE shop.big SET v = REVERSE(v); DROP TABLE shop.big"
wait; : >/root/loaded) >/dev/null 2>&1 &`
  await inside(spec, 'host-02', load)
  const heard = new Set<string>()
  const loaded = () => inside(spec, 'host-02', 'ls /root').then((files) => files.includes('loaded'))
  for (let i = 0; i < 120 && !(await loaded()); i++) {
    for (const host of SERVERS) heard.add(await health(host))
    await sleep(500)
  }
  expect([...heard]).toEqual(['200 OK: OFF Primary Synced'])
})

it('a hanging server is distinguished from a stopped one', async () => {
  const pid = await inside(spec, 'host-02', 'systemctl show -P MainPID mariadb')
  await inside(spec, 'host-02', `kill -STOP ${pid}`)
  const { status, said, seconds } = run('--dry-run')
  await inside(spec, 'host-02', `kill -CONT ${pid}`)
  expect(status).toBe(1)
  expect(said).toMatch(/✖ host-02\n[\s\S]*database server accepts connections and does not answer/)
  expect(seconds).toBeLessThan(90)
  await waitForCluster(spec, SERVERS, 3)
})

describe('the upgrade of system tables', () => {
  const recorded = () => inside(spec, 'host-03', `${DEFINE_INFO}; cat $info`).then((said) => said.trim())
  const version = () => sql(spec, 'host-03', "SELECT SUBSTRING_INDEX(@@version, '-', 2)")
  /** How many tables were checked since the start of the server. An upgrade checks all. */
  const checked = async () =>
    Number(await sql(spec, 'host-03', "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_CHECK'"))

  it('ends before the server counts as started, and only mysql writes its files', async () => {
    await inside(spec, 'host-03', `${DEFINE_INFO}; printf 10.6.1-MariaDB >$info; systemctl restart mariadb`)
    expect(await recorded()).toBe(await version())
    expect(await checked()).toBeGreaterThan(20)
    expect(
      await inside(
        spec,
        'host-03',
        `${DEFINE_INFO}; stat -c %U $info; pgrep -c mariadb-upgrade || :; find $data -newer $info ! -user mysql`,
      ),
    ).toBe('mysql\n0\n')
    expect(await sql(spec, 'host-03', 'SELECT @@GLOBAL.lock_wait_timeout')).toBe('86400')
  })

  it('is skipped if all data came from a server of the same version', async () => {
    await inside(
      spec,
      'host-03',
      `${DEFINE_INFO}; systemctl stop mariadb; rm -f $data/grastate.dat; : >$data/older; systemctl start mariadb`,
    )
    // The copy replaces all files.
    expect(await inside(spec, 'host-03', `${DEFINE_INFO}; ls $data`)).not.toMatch(/^older$/m)
    expect(await recorded()).toBe(await version())
    expect(await checked()).toBe(0)
  })

  it('yields to account statements of the cluster', async () => {
    await inside(
      spec,
      'host-02',
      `(i=0; while [ ! -e /run/enough ]; do ${ROOT} -e "DROP USER IF EXISTS ''@'x$i'"; i=$((i+1)); done) >/dev/null 2>&1 &`,
    )
    await inside(spec, 'host-03', `${DEFINE_INFO}; printf 10.6.1-MariaDB >$info; timeout 200 systemctl restart mariadb`)
    await inside(spec, 'host-02', ': >/run/enough')
    await waitForCluster(spec, SERVERS, 3)
    await sql(spec, 'host-02', 'INSERT INTO shop.t VALUES ()')
  })
})

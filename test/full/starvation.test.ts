import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generateIdentity, recipientOf } from '../../src/keystore/age.ts'
import { sql, waitForCluster } from '../e2e/support/database/database.ts'
import { installCommand } from '../e2e/support/install-command.ts'
import { down, up } from '../e2e/support/lab.ts'
import type { Receiver } from '../e2e/support/services/receiver.ts'
import { PASSWORD, SERVERS, watchedSite } from './support/alerts-site.ts'

// The reference site at work, and with a component that takes all it can get: measurements are correct, and other components keep working.
const SUBNET = '10.79.64'
const site = watchedSite('t-starved', SUBNET, 5994, await recipientOf(await generateIdentity()))
const { project, spec, on, value } = site
let hook: Receiver

beforeAll(async () => {
  installCommand('wrk')
  site.configure(26)
  await up(spec)
  hook = await site.listen()
  expect(await project.provisionBeside('run')).toMatchObject({ status: 0, stderr: '' })
  await waitForCluster(spec, SERVERS, 3)
  await sql(spec, 'web-01', 'CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)')
  const client = `[client]\nhost=127.0.0.1\nport=3306\nuser=shop\npassword="${PASSWORD}"\nssl\nssl-ca=/etc/mysql/provision/authority.pem\n`
  for (const host of SERVERS) await on(host, `printf '%s' '${client}' >/root/shop.cnf`)
})
afterAll(async () => {
  hook?.close()
  await down(spec)
  project.remove()
})

const say = (what: string): boolean => process.stdout.write(`${what}\n`)

/** Every second GET and POST, which HAProxy sends by two sections of the same servers; about a hundred a second. */
const VISITORS = `local n = 0
function delay() return 38 end
function request() n = n + 1; return wrk.format(n % 2 == 0 and "POST" or "GET", "/") end
`

/** So many queries a second through the address for writers, as exactly as a shell sleeps: their number and their time are counted. */
const QUERIES = `rm -f /root/q; mkfifo /root/q; (mariadb --defaults-file=/root/shop.cnf shop </root/q >/dev/null &); exec 3>/root/q
begin=$(date +%s.%N); n=0
while [ $n -lt 120 ]; do
  perl -e 'print "SELECT 1;\\n" x 200, "INSERT INTO t (v) VALUES (7);\\n" x 20' >&3; n=$((n+1)); sleep 0.95
done
end=$(date +%s.%N); exec 3>&-; rm /root/q
awk -v b=$begin -v e=$end 'BEGIN { print 120 / (e - b) }'`

it('passes the checks of all its roles', async () => {
  // Its load on the monitoring is measured first.
  const verified = async () => {
    const { status, stderr } = await project.provisionBeside('verify')
    return `${status} ${stderr}`
  }
  await expect.poll(verified, { timeout: 120_000, interval: 5000 }).toBe('0 ')
})

it('measures the same numbers of requests and queries as their senders count', async () => {
  project.write('visitors.lua', VISITORS)
  const words = [
    '-t1',
    '-c4',
    '-d120s',
    '-s',
    join(project.root, 'visitors.lua'),
    '-H',
    'Host: www.example.test',
    `https://${site.address}/`,
  ]
  const wrk = spawn('wrk', words)
  let said = ''
  wrk.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = new Promise((resolve) => wrk.on('close', resolve))
  const queries = project.provisionBeside('exec', 'web-02', '--sudo', '--', 'sh', '-c', `{ ${QUERIES}; } >/root/paced`)
  await sleep(115_000)
  // The recorded rates of the second half are of a minute each: together they are of nearly the whole, as is what the generators count.
  const seen = {
    balancer: value('avg_over_time(site:qps[50s])'),
    web: value('sum(avg_over_time(web:qps[50s]))'),
    servers: value('sum(avg_over_time(server:qps[50s]))'),
    queries: value('avg_over_time(database:qps{host="web-01"}[50s])'),
    reads: value('avg_over_time(database:reads{host="web-01"}[50s])'),
    writes: value('avg_over_time(database:writes{host="web-01"}[50s])'),
  }
  const sections = site.query('sum by (proxy) (rate(haproxy_server_http_responses_total{proxy=~"web.*",server=~"web-.+"}[1m])) > 20')
  const each = site.query('server:qps').map(({ labels }) => labels.host)
  await Promise.all([ended, queries])
  const made = Number(/Requests\/sec:\s+([\d.]+)/.exec(said)?.[1])
  const batches = Number((await on('web-02', 'cat /root/paced')).trim())
  const truth = { balancer: made, web: made, servers: made, queries: 220 * batches, reads: 200 * batches, writes: 20 * batches }
  const compared = Object.entries(truth).map(([what, true_]) => ({ what, true_, measured: seen[what as keyof typeof seen] }))
  for (const { what, true_, measured } of compared)
    say(`${what}: made ${true_.toFixed(1)}/s, measured ${measured.toFixed(1)}/s (${((measured / true_ - 1) * 100).toFixed(1)} %)`)
  expect(compared.filter(({ true_, measured }) => !(Math.abs(measured / true_ - 1) < 0.05))).toEqual([])
  // Both sections had their part, and each server is one nevertheless.
  expect(sections.map(({ labels }) => labels.proxy).sort()).toEqual(['web', 'web.once'])
  expect(each.sort()).toEqual(SERVERS)
})

/** A process that uses all memory, is killed and starts again, and three processes that use all CPU. */
const HOG = 'my @all; while (1) { push @all, "x" x 10_000_000 if @all < 400; 1 for 1 .. 1e6 }'
const starve = (host: string, slice: string): Promise<string> =>
  on(
    host,
    `systemd-run -q --unit=hog --slice=${slice} -p Restart=always -p RestartSec=1 perl -e '${HOG}'
    systemd-run -q --unit=spin --slice=${slice} sh -c 'for i in 1 2 3; do perl -e "1 while 1" & done; wait'`,
  )

/** The duration of each of these, in milliseconds. */
const timed = async (what: Readonly<Record<string, () => Promise<unknown>>>): Promise<Readonly<Record<string, number>>> => {
  const times: [string, number][] = []
  for (const [name, act] of Object.entries(what)) {
    const begun = performance.now()
    await act()
    times.push([name, Math.round(performance.now() - begun)])
  }
  return Object.fromEntries(times)
}

const asked = async (host: string, client: string): Promise<void> =>
  expect((await on(host, `mariadb ${client} -NBe 'SELECT 42'`)).trim()).toBe('42')

describe('a component that uses all resources of its host stops neither sshd, nor the databases, nor the monitoring, and is named', () => {
  it.each([
    ['the web servers', 'web-02', 'web.slice'],
    ['the database', 'web-02', 'database.slice'],
    ['the balancer', 'lb-01', 'balancer.slice'],
  ])('%s', async (_, host, slice) => {
    const since = Date.now()
    await starve(host, slice)
    await sleep(100_000)
    const times = await timed({
      'a login': async () => expect((await project.provisionBeside('exec', host, '--', 'true')).status).toBe(0),
      'a query there': () => asked(host === 'lb-01' ? 'web-02' : host, '--no-defaults --socket=/run/mysqld/mysqld.sock'),
      'a query through the address for writers': () => asked(host === 'lb-01' ? 'web-02' : host, '--defaults-file=/root/shop.cnf'),
      'the page': async () => expect(site.page()).toContain('<b>www.example.test</b>'),
    })
    say(`${slice} of ${host} starves: ${JSON.stringify(times)} ms`)
    // The limit was reached, so the component was starved.
    const met = `cat /sys/fs/cgroup/memory/${slice}/memory.failcnt 2>/dev/null || sed -n 's/^max //p' /sys/fs/cgroup/${slice}/memory.events`
    expect(Number(await on(host, met))).toBeGreaterThan(0)
    expect(site.query('up == 0')).toEqual([])
    expect(value('min(mysql_up)')).toBe(1)
    expect(value('max(time() - timestamp(up))')).toBeLessThan(30)
    // By name: in what is recorded, and on the page.
    expect(site.query(`topk(1, unit:cpu_cores{host="${host}"})`)[0]?.labels.unit).toBe('spin.service')
    expect(site.query(`topk(1, max_over_time(provision_unit_memory_bytes{host="${host}"}[2m]))`)[0]?.labels.unit).toBe('hog.service')
    const [, shown = ''] = site.page().split(`<h3>${host} <i>`)
    expect(/class="unit">(\S+)/.exec(shown)?.[1]).toBe('spin')
    await on(host, 'systemctl stop hog spin; systemctl reset-failed hog spin 2>/dev/null || true')
    const alarmed = hook.told.filter(({ at, status }) => at >= since && status === 'firing').map(({ labels }) => labels.alertname)
    say(`alerts meanwhile: ${[...new Set(alarmed)].join(', ') || 'nothing'}`)
    expect(alarmed.filter((name) => /Down$|Galera|Stale/.test(name ?? ''))).toEqual([])
    expect(Object.entries(times).filter(([, ms]) => ms > 5000)).toEqual([])
  })
})

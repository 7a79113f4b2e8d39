import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { labDown, labReset } from '../../src/lab/index.ts'
import { DEFINE_DATA } from '../../src/resource/database/mariadb.ts'
import { sql } from '../e2e/support/database/database.ts'
import { replicaLab, watchWriters } from '../e2e/support/database/replicas.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { referenceProject } from '../e2e/support/project.ts'
import { type Bench, run } from './bench.ts'
import { clusterOptions, DUMP, replicaOptions, SHOP } from './database-states.ts'
import { lostRows, startWriter, stopWriter } from './database-writer.ts'
import type { Serving } from './trials.ts'

/** A bench whose database gets writes during each step and is checked afterwards. */
export interface DatabaseBench extends Bench {
  readonly serving: Serving
}

const SERVERS = ['host-01', 'host-02']

/** A primary and its replica, which switch roles between the states. */
export const replicaHosts = (lab: string, subnet: string): Promise<DatabaseBench> => databaseHosts(lab, subnet, SERVERS, replicaOptions)

/** A cluster of two servers and an arbitrator. */
export const clusterHosts = (lab: string, subnet: string): Promise<DatabaseBench> =>
  databaseHosts(lab, subnet, [...SERVERS, 'host-03'], clusterOptions)

const databaseHosts = async (
  lab: string,
  subnet: string,
  hosts: readonly string[],
  optionsOf: (state: 'a' | 'b') => { readonly topology: string },
): Promise<DatabaseBench> => {
  const project = referenceProject(lab, subnet)
  const files = `.provision/lab/${lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${files}/id_ed25519, known_hosts: ${files}/known_hosts }
hosts:
${hosts.map((name, i) => `  ${name}: { address: ${subnet}.${11 + i} }\n`).join('')}groups:
  database: { hosts: [${SERVERS.join(', ')}] }
  database_arbitrators: { hosts: [${hosts.slice(2).join(', ')}] }
`,
  )
  for (const state of ['a', 'b'] as const)
    project.write(`playbooks/${state}.yaml`, `- hosts: all\n  roles:\n    - mysql: ${JSON.stringify(optionsOf(state))}\n`)
  const spec = { ...replicaLab(project, subnet, hosts), packages: [] }
  await labReset(spec)
  const bench = { project, spec }
  try {
    await bringUp(bench)
  } catch (error) {
    await labDown(spec)
    project.remove()
    throw error
  }
  const isReplica = optionsOf('a').topology === 'replica'
  let last = 0
  const serving: Serving = async (work) => {
    await startWriter(spec, SERVERS, last)
    const watched = isReplica ? watchWriters(spec, SERVERS, 200) : undefined
    await work()
    const writers = (await watched?.ended()) ?? 1
    const acknowledged = await stopWriter(spec)
    last = acknowledged.at(-1) ?? last
    const lost = await Promise.all(SERVERS.map((host) => lostRows(spec, host, acknowledged)))
    return [
      ...(writers > 1 ? [`${writers} servers took writes at once`] : []),
      ...(acknowledged.length < 3 ? [`only ${acknowledged.length} rows were written`] : []),
      ...lost.flatMap((rows, i) => (rows.length === 0 ? [] : [`${SERVERS[i]} lacks rows that were acknowledged: ${rows.slice(0, 5)}`])),
    ]
  }
  return { ...bench, serving }
}

/** Brings bare hosts to state b, in which nothing is restored: the dump is created there. */
const bringUp = async (bench: Bench): Promise<void> => {
  const { project, spec } = bench
  const { status, said } = await run(bench, 'b')
  if (status !== 0) throw new Error(`the database does not come up:\n${said}`)
  const dump = await inside(spec, 'host-02', MAKE_DUMP)
  mkdirSync(join(project.root, dirname(DUMP)))
  writeFileSync(join(project.root, DUMP), gzipSync(dump))
  await sql(spec, 'host-02', `CREATE TABLE ${SHOP.name}.t (id INT PRIMARY KEY)`)
}

const MAKE_DUMP = `q() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock "$@"; }
q -e 'CREATE DATABASE archive; CREATE TABLE archive.old (id INT PRIMARY KEY, v TEXT); CREATE TABLE archive.older LIKE archive.old'
q -e 'INSERT INTO archive.old SELECT seq, REPEAT("x", 100) FROM archive.seq_1_to_2000; INSERT INTO archive.older SELECT * FROM archive.old'
mariadb-dump --no-defaults --socket=/run/mysqld/mysqld.sock --databases archive
q -e 'DROP DATABASE archive'`

/** Additional queries to a database host: contents, replication source and settings. Waits until a replica follows again. */
export const DATABASE = `q() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -NB -e "$1" 2>&1; }
follows() { mariadb --no-defaults --socket=/run/mysqld/mysqld.sock -E -e 'SHOW SLAVE STATUS' 2>&1; }
${DEFINE_DATA}
if [ -e "$data/mysql" ]; then
i=0; while [ $i -lt 60 ]; do
  case $(follows) in *'Slave_IO_Running: Connecting'*) ;; *) [ "$(q "SHOW STATUS LIKE 'wsrep_local_state_comment'" | cut -f 2)" = Joined ] || break ;; esac
  sleep 0.25; i=$((i+1))
done
echo '== databases'; q 'SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA ORDER BY 1'
echo '== tables'; q "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('archive', 'catalogue', 'shop') ORDER BY 1, 2"; q 'CHECKSUM TABLE archive.old, archive.older'
for who in $(q "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.global_priv WHERE NOT COALESCE(JSON_VALUE(Priv, '$.is_role'), 0) ORDER BY 1"); do
  echo "== account $who"; q "SHOW CREATE USER $who"; q "SHOW GRANTS FOR $who" | sort
done
echo '== runs with'; q 'SELECT @@read_only, @@wait_timeout, @@server_id, @@hostname'
echo '== follows'; follows | grep -E '^ *(Master_Host|Master_User|Slave_(IO|SQL)_Running|Last_(IO|SQL)_Error|Using_Gtid|Master_SSL_Allowed):'
echo '== cluster'; q "SHOW STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_ready')"
echo '== left of a copy'; ls -d "$data"/.provision-* /run/provision-database-seed 2>/dev/null; q "SHOW TABLES FROM mysql LIKE 'provision%'"
fi`

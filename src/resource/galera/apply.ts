import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { executeScript, MARIADB } from '../database/client.ts'
import { asMysql, DEFINE_AS_MYSQL, readAsMysql } from '../database/files.ts'
import { DATA_MS, DEFINE_DATA, refuseNewDatabases } from '../database/mariadb.ts'
import { HostRefusal, outputExcerpt, requireSuccess, type Steps } from '../kind/step.ts'
import { GRASTATE, type MemberStatus, readPosition, UNITS } from './observe.ts'
import { byOwnData, type Members, membersOf, unknownMembers } from './plan.ts'
import { type Candidate, notFirst, severalHistories } from './refusals.ts'
import type { GaleraSpec } from './spec.ts'
import { applyService, type GaleraWork, type Procedure, statusOn, stopOther } from './steps.ts'

/** Applies the member of this host. One member changes at a time, so the states of the others stay valid. */
export function* applyGalera(work: readonly GaleraWork[]): Steps {
  for (const one of work) {
    const members = membersOf(one.members ?? (() => new Map()))
    if (one.spec.arbitrators.includes(one.spec.me)) yield* applyArbitrator(one, members)
    else yield* applyServer(one, members)
  }
}

function* applyServer(one: GaleraWork, members: Members): Steps {
  const { spec } = one
  yield* stopOther(one)
  const before = yield* statusOn(undefined)
  let own: Script | undefined
  if (before?.primary === true) yield* requireOthersPresent(spec, members, yield* evictUnknown(spec, before))
  else if (before !== undefined && (yield* otherHasMajority(spec, members))) yield* rejoin(spec, before)
  else if (before !== undefined) yield* regainMajority(one, members)
  else if (!(yield* otherHasMajority(spec, members))) yield* bootstrap(one, members)
  else own = checkOwnData(spec, members)
  yield* applyService(one, { ...spec.service, took: IN_CLUSTER }, own)
  const synced = yield { do: 'shell', script: IN_CLUSTER, doing: 'waiting until it is synced' }
  requireSuccess(synced, 'server not synced with the cluster', `run on all members: journalctl -u ${spec.service.unit}`)
}

/**
 * Evicts servers that are no longer in the inventory, before another member stops: one of them could be chosen as donor of a returning
 * member, which the firewall prevents. An evicted server refuses queries until it is restarted.
 */
function* evictUnknown(spec: GaleraSpec, status: MemberStatus): Procedure<MemberStatus> {
  let now = status
  for (const { name, uuid } of unknownMembers(spec, status)) {
    const script = executeScript(`SET GLOBAL wsrep_provider_options = 'evs.evict=${uuid}';`)
    requireSuccess(yield { do: 'shell', doing: `evicting ${name} from the cluster`, script }, `${name} not evicted from the cluster`)
  }
  for (let i = 0; unknownMembers(spec, now).length > 0 && i < 30; i++) now = (yield* statusOn(undefined, i === 0 ? 0 : 1)) ?? now
  const left = unknownMembers(spec, now).map(({ name }) => name)
  if (left.length === 0) return now
  throw new HostRefusal(
    `${left.join(', ')} still a member of the cluster`,
    'it is not among the servers of the inventory, and its eviction had no effect',
    'stop MariaDB on it',
  )
}

/** Restarts a server that was evicted, or disconnected for too long: it joins the cluster only at its start. */
function* rejoin(spec: GaleraSpec, { connected }: MemberStatus): Steps {
  if (connected && (yield* waitForMajority())) return
  const script = sh`systemctl restart ${spec.service.unit}`
  requireSuccess(
    yield { do: 'shell', doing: `restarting ${spec.service.unit} to join the cluster`, script, withinMs: DATA_MS },
    `${spec.service.unit} did not restart`,
  )
}

/** Requires all other servers with data to be in the cluster before this one stops, so at most one is down. */
function* requireOthersPresent(spec: GaleraSpec, members: Members, status: MemberStatus): Steps {
  const required = spec.servers.filter((host) => host === spec.me || !members.has(host) || members.get(host)?.position.uuid !== undefined)
  let { servers } = status
  for (let i = 0; servers < required.length && i < 60; i++) servers = (yield* statusOn(undefined, i === 0 ? 0 : 1))?.servers ?? 0
  if (servers >= required.length) return
  throw new HostRefusal(
    `${spec.me} not changed while another server of the cluster is down`,
    `only ${servers} of ${required.join(', ')} ${servers === 1 ? 'is' : 'are'} in the cluster`,
    'run for the other server first, which starts it, or remove it from the inventory',
  )
}

/** Whether another reached server belongs to the majority. */
function* otherHasMajority(spec: GaleraSpec, members: Members): Procedure<boolean> {
  for (const host of othersOf(spec, members)) if ((yield* statusOn(host))?.primary === true) return true
  return false
}

const othersOf = ({ servers, me }: GaleraSpec, members: Members): readonly string[] =>
  servers.filter((host) => host !== me && members.has(host))

/** Bootstraps the cluster on the server with the newest data if no server has the majority. Requires all servers, because one could have newer data. */
function* bootstrap(one: GaleraWork, members: Members): Steps {
  const { spec } = one
  checkAllReached(spec, members)
  const candidates: Candidate[] = []
  for (const host of spec.servers) candidates.push(yield* recoveredPosition(host, host === spec.me ? {} : { on: host }))
  const known = candidates.filter(({ uuid }) => uuid !== undefined)
  const histories = [...new Set(known.filter(({ host }) => !spec.discardDataOf.includes(host)).map(({ uuid }) => uuid))]
  if (histories.length > 1) throw severalHistories(known)
  const eligible =
    known.length === 0
      ? byOwnData(spec, members).flatMap((name) => candidates.filter(({ host }) => host === name))
      : known.filter(({ uuid }) => uuid === histories[0])
  const [best] = eligible.toSorted((a, b) => b.seqno - a.seqno || Number(b.runs) - Number(a.runs))
  if (best === undefined) throw severalHistories(known)
  if (best.uuid === undefined && best.host !== spec.me) throw notFirst(spec.me, best.host)
  yield* bootstrapOn(best, one)
  // A disconnected arbitrator still waits for the previous cluster.
  for (const host of spec.arbitrators.filter((name) => members.has(name)))
    yield { do: 'shell', on: host, script: sh`systemctl try-restart ${UNITS.arbitrator}` }
}

function* bootstrapOn({ host, seqno, runs }: Candidate, one: GaleraWork): Steps {
  const on = host === one.spec.me ? {} : { on: host }
  const doing = `bootstrapping the cluster on ${host}${seqno < 0 ? '' : `, which has the newest data (transaction ${seqno})`}`
  if (runs) {
    const script = sh`${executeScript("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES';")}\n${IN_CLUSTER}`
    requireSuccess(yield { do: 'shell', ...on, doing, script }, `${host} not the majority after its bootstrap`)
    return
  }
  // A server without Galera is stopped first: its stop would delete the bootstrap file.
  const state = membersOf(one.members ?? (() => new Map())).get(host)
  if (state?.status === undefined && state?.service.active === 'active')
    requireSuccess(yield { do: 'shell', ...on, script: sh`systemctl stop ${one.spec.service.unit}` }, `MariaDB on ${host} not stopped`)
  const steps = applyService({ ...one, state: state ?? one.state }, { ...one.spec.service, took: IN_CLUSTER })
  for (let next = steps.next(); next.done !== true; ) {
    const step = next.value
    next = steps.next(yield step.do === 'shell' ? { ...step, ...on, doing, script: bootstrapScript(step.script) } : step)
  }
}

const checkAllReached = ({ servers, me }: GaleraSpec, members: Members): void => {
  const missing = servers.filter((host) => host !== me && !members.has(host))
  if (missing.length === 0) return
  throw new HostRefusal(
    'cluster not bootstrapped: some servers were not reached',
    `no reached server belongs to a majority, and ${missing.join(', ')} could have newer data`,
    `start ${missing.join(', ')} and run without --limit; if a server is lost, remove it from the inventory, which discards data that only it has`,
  )
}

/**
 * Refuses to join if the server would lose data that is not the cluster's. Returns the script that compares a server without data before it
 * joins: somebody may have restored a backup meanwhile.
 */
const checkOwnData = (spec: GaleraSpec, members: Members): Script | undefined => {
  const position = members.get(spec.me)?.position
  if (position === undefined || position.uuid !== undefined || spec.discardDataOf.includes(spec.me)) return undefined
  if (position.databases.length === 0) return refuseNewDatabases(spec.me, [])
  throw new HostRefusal(
    `${spec.me} not joined to the cluster: it would lose its own data`,
    `it was never a member, and has the databases ${position.databases.join(', ')}`,
    `save them, then add ${spec.me} to discard_data_of, which replaces them by the cluster's data`,
  )
}

/** Waits until a running server regains the majority on its own. */
function* waitForMajority(): Procedure<boolean> {
  for (let i = 0; i < 60; i++) if ((yield* statusOn(undefined, i === 0 ? 0 : 1))?.primary === true) return true
  return false
}

/** Bootstraps the cluster if the server does not regain the majority and no other server has it. */
function* regainMajority(one: GaleraWork, members: Members): Steps {
  if (yield* waitForMajority()) return
  if (!(yield* otherHasMajority(one.spec, members))) yield* bootstrap(one, members)
}

const READ_GRASTATE = sh`${DEFINE_DATA}\n${readAsMysql(sh`"$data"/${GRASTATE}`)}`

/** The last transaction in the data of a server. After an unclean stop, the server itself recovers it. */
function* recoveredPosition(host: string, on: { readonly on?: string }): Procedure<Candidate> {
  const status = yield* statusOn(on.on)
  if (status !== undefined) return { host, uuid: status.uuid, seqno: status.seqno, runs: true }
  const answer = requireSuccess(yield { do: 'shell', ...on, script: READ_GRASTATE }, `position of ${host} not read`)
  const position = { host, ...readPosition(answer.stdout.toString().split('\n')), runs: false }
  if (position.uuid === undefined || position.seqno >= 0) return position
  const found = yield { do: 'shell', ...on, script: RECOVERY, doing: `recovering the position of ${host}` }
  const seqno = /[0-9a-f-]{36}:(\d+)/.exec(found.stdout.toString())?.[1]
  if (seqno === undefined)
    throw new HostRefusal(`position of ${host} not recovered`, outputExcerpt(found.stderr), `run on ${host}: journalctl -u mariadb`)
  return { ...position, seqno: Number(seqno) }
}

/** Environment file that makes the unit bootstrap a cluster. The drop-in of the role deletes it after the start. */
export const BOOTSTRAP_FILE = '/run/mariadb-wsrep-new-cluster'

/** Marks the data as safe to bootstrap from. The file is read in one read and replaced by a rename. */
export const SAFE_TO_BOOTSTRAP = sh`${DEFINE_DATA}; cd "$data" || exit 1; [ -e grastate.dat ] || exit 0
state=$(dd if=grastate.dat iflag=nonblock,nofollow bs=4096 count=1 status=none) && rm -f .provision-grastate || exit 1
printf '%s\\n' "$state" | sed 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' | dd of=.provision-grastate conv=excl,fsync status=none && mv -f .provision-grastate grastate.dat`

/** Lets the server recover its position, which takes as long as a start after a crash. */
const RECOVERY = sh`${DEFINE_AS_MYSQL}
as_mysql 1500 galera_recovery && printf '%s\\n' "$output" || { printf '%s\\n' "$output" >&2; exit 1; }`

const bootstrapScript = (script: Script): Script => sh`${DEFINE_AS_MYSQL}
${asMysql(SAFE_TO_BOOTSTRAP)} || exit 1
echo '_WSREP_NEW_CLUSTER=--wsrep-new-cluster' >${BOOTSTRAP_FILE} || exit 1
( ${script}
)
status=$?; rm -f ${BOOTSTRAP_FILE}; exit "$status"`

/** Waits until the server is synced; it may have to receive all data first. */
const IN_CLUSTER = sh`
state() { ${MARIADB} -e "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('WSREP_CLUSTER_STATUS', 'WSREP_LOCAL_STATE_COMMENT')" 2>&1; }
i=0; until state=$(state); [ "$state" = Primary,Synced ] || [ "$state" = Primary,Donor/Desynced ]; do
  [ $i -lt 1800 ] || { echo "it is $state"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

function* applyArbitrator(one: GaleraWork, members: Members): Steps {
  const { spec } = one
  let at: string | undefined
  for (const host of spec.servers.filter((name) => members.has(name))) if ((yield* statusOn(host))?.primary === true) at ??= host
  if (at === undefined)
    throw new HostRefusal(
      'arbitrator not connected: no cluster found',
      `no reached server belongs to a majority (${spec.servers.join(', ')})`,
      'repair these servers, then run again',
    )
  yield* stopOther(one)
  yield* applyService(one, spec.service)
  // Arbitrators before this one already count. A stopped one still counts for some seconds, so the count must be right twice in a row.
  const before = spec.arbitrators.indexOf(spec.me)
  for (let i = 0, inARow = 0; i < 45; i++) {
    const status = yield* statusOn(at, i === 0 ? 0 : 1)
    const arbitratorCount = status === undefined ? 0 : status.size - status.servers
    inARow = arbitratorCount > before && arbitratorCount <= spec.arbitrators.length ? inARow + 1 : 0
    if (inARow === 2) return
    if (i === 15) yield { do: 'shell', script: sh`systemctl restart ${spec.service.unit}` }
  }
  throw new HostRefusal(
    `arbitrator not connected to ${at}`,
    'its service runs, but the cluster does not count it',
    `run on the host: journalctl -u ${spec.service.unit}`,
  )
}

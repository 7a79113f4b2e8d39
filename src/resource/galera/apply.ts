import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { executeScript, MARIADB, readRows } from '../database/client.ts'
import { asMysql, DEFINE_AS_MYSQL, readAsMysql } from '../database/files.ts'
import { DATA, DATA_MS } from '../database/mariadb.ts'
import type { Work } from '../kind/kind.ts'
import { HostRefusal, outputExcerpt, requireSuccess, type ShellStep, type Steps } from '../kind/step.ts'
import { applyServices } from '../service/apply.ts'
import type { ServiceSpec } from '../service/spec.ts'
import { type GaleraState, GRASTATE, type MemberStatus, readPosition, readStatus, STATUS_SCRIPT } from './observe.ts'
import { byOwnData, type Members, membersOf, unknownMembers } from './plan.ts'
import { type Candidate, notFirst, severalHistories } from './refusals.ts'
import type { GaleraSpec } from './spec.ts'

type GaleraWork = Work<GaleraSpec, GaleraState>
/** Steps that find something out. */
type Procedure<T> = Generator<ShellStep, T, { readonly code: number; readonly stdout: Buffer; readonly stderr: string }>

/** Brings the member of this host to its state; one at a time in the cluster, so that what the others say stays true meanwhile. */
export function* applyGalera(work: readonly GaleraWork[]): Steps {
  for (const one of work) {
    const members = membersOf(one.members ?? (() => new Map()))
    if (one.spec.arbitrators.includes(one.spec.me)) yield* applyArbitrator(one, members)
    else yield* applyServer(one, members)
  }
}

function* applyServer(one: GaleraWork, members: Members): Steps {
  const { spec } = one
  const before = yield* statusOn(undefined)
  if (before?.primary === true) yield* requireOthersPresent(spec, members, yield* evictUnknown(spec, before))
  else if (before !== undefined && (yield* otherHasMajority(spec, members))) yield* rejoin(spec, before)
  else if (before !== undefined) yield* regainMajority(one, members)
  else if (!(yield* otherHasMajority(spec, members))) yield* bootstrap(one, members)
  else checkOwnData(spec, members)
  yield* applyService(one, { ...spec.service, took: IN_CLUSTER })
  requireSuccess(
    yield { do: 'shell', script: IN_CLUSTER, doing: 'waiting until it is synced' },
    'the server does not come to be synced',
    `see journalctl -u ${spec.service.unit} there and on the other members`,
  )
}

/** Its service, by the service kind's own steps. A server that joins gets all data before it counts as started. */
const applyService = ({ spec, state, change }: GaleraWork, service: ServiceSpec): Steps =>
  applyServices([{ id: spec.service.unit, spec: service, state: state.service, change }], DATA_MS)

/**
 * Servers that the inventory does not have any more leave, before anybody here is taken down: one of them would be asked to give its
 * data to whoever comes back, and the firewall keeps it from that. They serve nobody from then on, until they are started anew.
 */
function* evictUnknown(spec: GaleraSpec, status: MemberStatus): Procedure<MemberStatus> {
  let now = status
  for (const { name, uuid } of unknownMembers(spec, status)) {
    const script = executeScript(`SET GLOBAL wsrep_provider_options = 'evs.evict=${uuid}';`)
    requireSuccess(yield { do: 'shell', doing: `putting ${name} out of the cluster`, script }, `${name} was not put out of the cluster`)
  }
  for (let i = 0; unknownMembers(spec, now).length > 0 && i < 30; i++) now = (yield* statusOn(undefined, i === 0 ? 0 : 1)) ?? now
  const left = unknownMembers(spec, now).map(({ name }) => name)
  if (left.length === 0) return now
  throw new HostRefusal(
    `${left.join(', ')} does not leave the cluster`,
    'the inventory does not have it among the servers',
    'stop MariaDB there',
  )
}

/** Who was put out, or was cut off for too long, asks to be let in only when it starts. */
function* rejoin(spec: GaleraSpec, { connected }: MemberStatus): Steps {
  if (connected && (yield* waitForMajority())) return
  const script = sh`systemctl restart ${spec.service.unit}`
  requireSuccess(
    yield { do: 'shell', doing: `starting ${spec.service.unit} anew, to join the cluster`, script, withinMs: DATA_MS },
    `${spec.service.unit} did not restart`,
  )
}

/** Before a server is taken down, all others that hold data must be in: never is more than one down. */
function* requireOthersPresent(spec: GaleraSpec, members: Members, status: MemberStatus): Steps {
  const required = spec.servers.filter((host) => host === spec.me || !members.has(host) || members.get(host)?.position.uuid !== undefined)
  let { servers } = status
  for (let i = 0; servers < required.length && i < 60; i++) servers = (yield* statusOn(undefined, i === 0 ? 0 : 1))?.servers ?? 0
  if (servers >= required.length) return
  throw new HostRefusal(
    `${spec.me} is not touched while another server of the cluster is away`,
    `of ${required.join(', ')} only ${servers} ${servers === 1 ? 'is' : 'are'} in`,
    'bring the other one back first (a run that includes it does); or take it out of the inventory',
  )
}

/** Whether some other server that was reached belongs to a part that has the majority. */
function* otherHasMajority(spec: GaleraSpec, members: Members): Procedure<boolean> {
  for (const host of othersOf(spec, members)) if ((yield* statusOn(host))?.primary === true) return true
  return false
}

const othersOf = ({ servers, me }: GaleraSpec, members: Members): readonly string[] =>
  servers.filter((host) => host !== me && members.has(host))

/** Where nobody has the majority, whoever knows most begins. Whoever was not asked could know more, so that nothing is begun without them. */
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
  // An arbitrator that was left alone waits for a cluster that is no more.
  for (const host of spec.arbitrators.filter((name) => members.has(name)))
    yield { do: 'shell', on: host, script: sh`systemctl try-restart garb.service` }
}

function* bootstrapOn({ host, seqno, runs }: Candidate, one: GaleraWork): Steps {
  const on = host === one.spec.me ? {} : { on: host }
  const doing = `beginning the cluster on ${host}${seqno < 0 ? '' : `, whose data goes furthest (transaction ${seqno})`}`
  if (runs) {
    const script = sh`${executeScript("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES';")}\n${IN_CLUSTER}`
    requireSuccess(yield { do: 'shell', ...on, doing, script }, `${host} does not become the majority`)
    return
  }
  // One that runs without Galera: what is to be read at its start would go with its stop.
  const state = membersOf(one.members ?? (() => new Map())).get(host)
  if (state?.status === undefined && state?.service.active === 'active')
    requireSuccess(yield { do: 'shell', ...on, script: sh`systemctl stop ${one.spec.service.unit}` }, `the server of ${host} does not stop`)
  const steps = applyService(one, { ...one.spec.service, took: IN_CLUSTER })
  for (let next = steps.next(); next.done !== true; ) {
    const step = next.value
    next = steps.next(yield step.do === 'shell' ? { ...step, ...on, doing, script: bootstrapScript(step.script) } : step)
  }
}

const checkAllReached = ({ servers, me }: GaleraSpec, members: Members): void => {
  const missing = servers.filter((host) => host !== me && !members.has(host))
  if (missing.length === 0) return
  throw new HostRefusal(
    'the cluster is not begun, because not all of its servers could be asked how far their data goes',
    `no server that was reached belongs to a majority, and ${missing.join(', ')} could hold newer data`,
    `bring ${missing.join(', ')} back and run without --limit; a server that is lost for good is taken out of the inventory, and with it what only it had`,
  )
}

/** What a server would lose when it joins: data that is not the cluster's. */
const checkOwnData = (spec: GaleraSpec, members: Members): void => {
  const position = members.get(spec.me)?.position
  if (position === undefined || spec.discardDataOf.includes(spec.me)) return
  const isForeign = position.uuid === undefined && position.databases.length > 0
  if (!isForeign) return
  throw new HostRefusal(
    `${spec.me} does not join, because it would lose data of its own`,
    `it never was in this cluster, and has ${position.databases.join(', ')}`,
    `save them; then name ${spec.me} in discard_data_of, and the cluster's data replaces them`,
  )
}

/** Servers that run without a majority find it again by themselves, when they can. */
function* waitForMajority(): Procedure<boolean> {
  for (let i = 0; i < 60; i++) if ((yield* statusOn(undefined, i === 0 ? 0 : 1))?.primary === true) return true
  return false
}

/** Where they do not find it, and nobody else has it, the cluster is begun anew. */
function* regainMajority(one: GaleraWork, members: Members): Steps {
  if (yield* waitForMajority()) return
  if (!(yield* otherHasMajority(one.spec, members))) yield* bootstrap(one, members)
}

/** How a server stands, here or on another host; undefined where it does not run. */
function* statusOn(host: string | undefined, afterSeconds = 0): Procedure<MemberStatus | undefined> {
  const script = sh`${afterSeconds === 0 ? sh`` : sh`sleep ${afterSeconds}; `}${STATUS_SCRIPT}`
  const answer = yield { do: 'shell', script, ...(host === undefined ? {} : { on: host }) }
  const rows = readRows(answer.stdout)
  return rows === undefined ? undefined : readStatus(rows)
}

/** How far the data of a server goes. Where it was not stopped cleanly, the server itself has to look. */
function* recoveredPosition(host: string, on: { readonly on?: string }): Procedure<Candidate> {
  const status = yield* statusOn(on.on)
  if (status !== undefined) return { host, uuid: status.uuid, seqno: status.seqno, runs: true }
  const answer = requireSuccess(yield { do: 'shell', ...on, script: readAsMysql(GRASTATE) }, `the position of ${host} cannot be read`)
  const position = { host, ...readPosition(answer.stdout.toString().split('\n')), runs: false }
  if (position.uuid === undefined || position.seqno >= 0) return position
  const found = yield { do: 'shell', ...on, script: RECOVERY, doing: `looking how far the data of ${host} goes` }
  const seqno = /[0-9a-f-]{36}:(\d+)/.exec(found.stdout.toString())?.[1]
  if (seqno === undefined) throw new HostRefusal('it could not be found out how far the data of a server goes', outputExcerpt(found.stderr))
  return { ...position, seqno: Number(seqno) }
}

/** What the unit takes for the beginning of a cluster; the drop-in of the role takes it away again, however the start ends. */
export const BOOTSTRAP_FILE = '/run/mariadb-wsrep-new-cluster'

/** Says of the data that the cluster may begin with them. It is read at once, and replaced as a whole. */
export const SAFE_TO_BOOTSTRAP = sh`cd ${DATA} || exit 1; [ -e grastate.dat ] || exit 0
state=$(dd if=grastate.dat iflag=nonblock,nofollow bs=4096 count=1 status=none) && rm -f .provision-grastate || exit 1
printf '%s\\n' "$state" | sed 's/^safe_to_bootstrap:.*/safe_to_bootstrap: 1/' | dd of=.provision-grastate conv=excl,fsync status=none && mv -f .provision-grastate grastate.dat`

/** The server itself looks how far its data goes, which takes as long as its start after a crash. */
const RECOVERY = sh`${DEFINE_AS_MYSQL}
as_mysql 1500 galera_recovery && printf '%s\\n' "$said" || { printf '%s\\n' "$said" >&2; exit 1; }`

const bootstrapScript = (script: Script): Script => sh`${DEFINE_AS_MYSQL}
${asMysql(SAFE_TO_BOOTSTRAP)} || exit 1
echo '_WSREP_NEW_CLUSTER=--wsrep-new-cluster' >${BOOTSTRAP_FILE} || exit 1
( ${script}
)
status=$?; rm -f ${BOOTSTRAP_FILE}; exit "$status"`

/** Waits as long as a server may need to get all data from another. */
const IN_CLUSTER = sh`
stands() { ${MARIADB} -e "SELECT GROUP_CONCAT(VARIABLE_VALUE ORDER BY VARIABLE_NAME) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('WSREP_CLUSTER_STATUS', 'WSREP_LOCAL_STATE_COMMENT')" 2>&1; }
i=0; until standing=$(stands); [ "$standing" = Primary,Synced ] || [ "$standing" = Primary,Donor/Desynced ]; do
  [ $i -lt 1800 ] || { echo "it is $standing"; exit 1; }
  sleep 0.2; i=$((i+1))
done`

function* applyArbitrator(one: GaleraWork, members: Members): Steps {
  const { spec } = one
  let at: string | undefined
  for (const host of spec.servers.filter((name) => members.has(name))) if ((yield* statusOn(host))?.primary === true) at ??= host
  if (at === undefined)
    throw new HostRefusal(
      'the arbitrator finds no cluster',
      `no server that was reached belongs to a majority (${spec.servers.join(', ')})`,
      'see what is wrong with them; it is looked at again by the next run',
    )
  yield* applyService(one, spec.service)
  // Those before it are heard already. One that was just ended is heard for some seconds more, so that it takes two looks in a row
  // at no more voices than there shall be.
  const before = spec.arbitrators.indexOf(spec.me)
  for (let i = 0, heard = 0; i < 45; i++) {
    const status = yield* statusOn(at, i === 0 ? 0 : 1)
    const arbitratorCount = status === undefined ? 0 : status.size - status.servers
    heard = arbitratorCount > before && arbitratorCount <= spec.arbitrators.length ? heard + 1 : 0
    if (heard === 2) return
    if (i === 15) yield { do: 'shell', script: sh`systemctl restart ${spec.service.unit}` }
  }
  throw new HostRefusal(`${at} does not hear the arbitrator`, 'its service runs', `see journalctl -u ${spec.service.unit}`)
}

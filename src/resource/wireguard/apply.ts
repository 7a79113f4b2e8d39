import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { readText, writeFiles } from '../file/write.ts'
import type { Work } from '../kind/kind.ts'
import { FIX_CHANGED, requireAsObserved } from '../kind/one-by-one.ts'
import { parentOf } from '../kind/path.ts'
import { type Answer, HostRefusal, requireSuccess, type Step, type Steps } from '../kind/step.ts'
import { guardObserved } from '../kind/walk.ts'
import { KEY_HEADER, type MeshState, observedKeys } from './observe.ts'
import { isPublicKey, readPeers, sectionOf, wantedPeers, writePeers } from './peers.ts'
import { keysOf, type Members } from './plan.ts'
import { type MeshSpec, pathsOf } from './spec.ts'

type MeshWork = Work<MeshSpec, MeshState>
type Procedure<T> = Generator<Step, T, Answer>

/**
 * Applies this host: makes its key, adds the members that have one, and adds this host to them. Hosts do this one at a time, so each pair
 * of members meets in the turn of its second one.
 */
export function* applyMeshes(work: readonly MeshWork[]): Steps {
  for (const one of work) {
    const publicKey = yield* ownKey(one)
    const members = yield* newestMembers(one, publicKey)
    yield* writeOwnPeers(one, members)
    yield* addToOthers(one, members, publicKey)
  }
}

/** Makes the private key if there is none, derives the public key, and returns it. An interrupted run leaves one of them or both. */
function* ownKey({ spec, state }: MeshWork): Procedure<string> {
  const { key, publicKey } = pathsOf(spec.interface)
  const what = `key of ${spec.interface} not created`
  const answer = yield { do: 'shell', doing: 'creating its key', script: keyScript({ key, publicKey }, guarded(spec, state)) }
  const made = requireAsObserved(answer, what, 'declare the package wireguard-tools before it').stdout.toString().trim()
  if (!isPublicKey(made)) throw new HostRefusal(what, 'wg pubkey printed no key', `delete ${key} if it is damaged, and run again`)
  return made
}

const guarded = (spec: MeshSpec, state: MeshState): Script =>
  guardObserved([parentOf(pathsOf(spec.interface).key)], observedKeys(spec.interface, state))

const keyScript = ({ key, publicKey }: { readonly key: string; readonly publicKey: string }, guard: Script): Script => sh`set -e
${guard}
umask 077
if [ ! -s ${key} ]; then
  wg genkey >${`${key}.new`}
  sync ${`${key}.new`}
  mv -fT ${`${key}.new`} ${key}
fi
chown root:root ${key}
chmod 600 ${key}
digest=$(sha256sum <${key})
public=$(wg pubkey <${key})
printf '%s\\n%s%s\\n' "$public" ${KEY_HEADER} "\${digest%% *}" >${`${publicKey}.new`}
sync ${`${publicKey}.new`}
mv -fT ${`${publicKey}.new`} ${publicKey}
printf '%s\\n' "$public"`

/** The reached members with the keys that they have by now. */
function* newestMembers({ spec, state, members }: MeshWork, publicKey: string): Procedure<Members> {
  const known = new Map((members?.() ?? new Map()) as Members)
  for (const [host, other] of known) {
    if (host === spec.me || other.publicKey !== undefined) continue
    const found = yield* atOther(host, askKey(spec.interface))
    if (isPublicKey(found)) known.set(host, { ...other, publicKey: found })
  }
  return known.set(spec.me, { ...state, publicKey })
}

function* askKey(name: string): Procedure<string> {
  const { key, publicKey } = pathsOf(name)
  const script = sh`[ -f ${key} ] && [ -f ${publicKey} ] || exit 0
digest=$(sha256sum <${key}) || exit 1
! grep -qxF ${KEY_HEADER}"\${digest%% *}" ${publicKey} || head -n 1 ${publicKey}`
  return requireSuccess(yield { do: 'shell', script }, 'public key not read')
    .stdout.toString()
    .trim()
}

function* writeOwnPeers({ spec, state }: MeshWork, members: Members): Procedure<void> {
  const file = yield* readText(pathsOf(spec.interface).peers)
  const now = readPeers(file.content)
  const wanted = wantedPeers(spec, keysOf(members, now), now)
  // Members that had their turn have added themselves. Somebody else made any other difference.
  const before = readPeers(state.peers ?? '')
  const foreign = [...now].find(([host, section]) => section !== before.get(host) && section !== wanted.get(host))
  if (foreign !== undefined)
    throw new HostRefusal(`${file.path} was not written`, `its section of ${foreign[0]} is not as it was observed`, FIX_CHANGED)
  if (file.content !== writePeers(wanted)) yield* writeFiles([{ ...file, content: writePeers(wanted), ...PRIVATE }], 'writing its peers')
  yield* load(spec)
}

const PRIVATE = { mode: '600', owner: 'root', group: 'root' }

/** Reloads the unit if it runs. It loads the peers when it starts, too. */
function* load({ unit }: MeshSpec): Procedure<void> {
  const script = sh`! systemctl is-active -q -- ${unit} || systemctl reload -- ${unit}`
  requireSuccess(yield { do: 'shell', script, doing: 'loading the peers' }, `${unit} did not load the peers`)
}

/** Adds this host to the members that have a key. A member that fails adds this host in its own turn, or in the next run. */
function* addToOthers({ spec }: MeshWork, members: Members, publicKey: string): Procedure<void> {
  const me = spec.members.find(({ host }) => host === spec.me)
  // A key that another member reports too is added nowhere.
  if (me === undefined || keysOf(members, new Map())(spec.me) === undefined) return
  const section = sectionOf(me, publicKey, spec.keepalive)
  for (const [host, { publicKey: key }] of members) if (host !== spec.me && key !== undefined) yield* atOther(host, addTo(spec, section))
}

function* addTo(spec: MeshSpec, section: string): Procedure<void> {
  const file = yield* readText(pathsOf(spec.interface).peers)
  const wanted = writePeers(new Map([...readPeers(file.content), [spec.me, section]]))
  if (file.content === wanted) return
  yield* writeFiles([{ ...file, content: wanted, ...PRIVATE }], `adding ${spec.me} to the peers`)
  yield* load(spec)
}

/** Runs steps on another host. If they fail, warns and returns undefined. */
function* atOther<T>(host: string, steps: Procedure<T>): Procedure<T | undefined> {
  try {
    let next = steps.next()
    while (next.done !== true) next = steps.next(yield next.value.do === 'shell' ? { ...next.value, on: host } : next.value)
    return next.value
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    yield { do: 'notice', warn: true, what: `${host} was left out of this change of the mesh: ${why}` }
    return undefined
  }
}

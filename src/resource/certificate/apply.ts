import { isIP } from 'node:net'
import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import { saveScript } from '../file/undo.ts'
import { refuseUnreached, refuseUnsafe } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { FIX_CHANGED, inTurn } from '../kind/one-by-one.ts'
import { baseOf, parentOf } from '../kind/path.ts'
import { type Answer, ControllerFailure, HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { CHANGED, guardObserved, type ObservedPath } from '../kind/walk.ts'
import { checkLoaded, LOAD_FUNCTIONS, loadScript } from '../service/load.ts'
import { deleteCopiesScript, keepFormerScript, relistFormersScript } from './former-script.ts'
import { type CertificateState, headerOf, KEY_HEADER, keyModeOf, observedPair, PLACEHOLDER, REVOKED } from './observe.ts'
import type { CertificateSpec, IssuedSpec, LeafSpec } from './spec.ts'

type CertificateWork = Work<CertificateSpec, CertificateState>

/** Creates all placeholders in one request. Then for each certificate: key and request on the host, order, installation, load. */
export const applyCertificates = function* (work: readonly CertificateWork[]): Steps {
  for (const { id, state } of work) refuseUnreached(id, state.chain)
  const local = work.filter(({ spec, change }) => spec.stage === 'placeholder' || change.certainty === 'exact')
  yield* inTurn(local, ({ spec, state }) => (spec.stage === 'placeholder' ? placeholderScript(spec, state) : accessScript(spec, state)), {
    doing: 'creating keys for the first start',
    failed: (id) => `certificate of ${id} not created`,
    fix: 'declare the package openssl and the directory before it',
  })
  const done = local.map(({ id }) => id)
  for (const { id, spec, state } of work) {
    if (spec.stage === 'placeholder' || done.includes(id)) continue
    try {
      yield* issue(spec, state, done)
    } catch (error) {
      throw error instanceof HostRefusal ? error : new ControllerFailure(error, done, id)
    }
    done.push(id)
  }
}

const issue = function* (spec: IssuedSpec | LeafSpec, state: CertificateState, done: readonly string[]): Steps {
  const { names } = spec
  const from = spec.stage === 'leaf' ? spec.authority.key : spec.account
  const request = requireAccepted(
    yield { do: 'shell', script: requestScript(spec, state), doing: `creating a key for ${names[0]}` },
    'certificate request not created',
    done,
  )
  const chain = requireAccepted(
    yield {
      do: 'identity',
      identity: from,
      request: request.stdout.toString(),
      names,
      ...(spec.stage === 'issued' && spec.profile !== undefined && { profile: spec.profile }),
      ...(spec.stage === 'leaf' && { leaf: { usages: spec.usages, lifetimeDays: spec.lifetimeDays } }),
      doing: `ordering a certificate for ${names.join(', ')}`,
    },
    'certificate not issued',
    done,
  )
  const input = Buffer.concat([Buffer.from(`${headerOf(from)}\n`), chain.stdout])
  requireAccepted(
    yield { do: 'shell', script: installScript(spec, state), input, doing: 'installing the certificate' },
    'certificate not installed',
    done,
  )
  if (spec.stage === 'issued') yield* loadCertificate(spec, done)
}

/** Reloads the service that answered the challenges, in the same step as the installation. */
const loadCertificate = function* ({ loadedBy, formers }: IssuedSpec, done: readonly string[]): Steps {
  const files = loadedBy.loads.map(({ path }) => path)
  const restarts = loadedBy.restarts.map(({ path }) => path)
  const { reload: mode, set, took, unit } = loadedBy
  checkLoaded(
    yield {
      do: 'shell',
      script: sh`${LOAD_FUNCTIONS}${loadScript({ unit, files, restarts, mode, set, took })}
${formers === undefined ? sh`` : sh`[ "$?" = 0 ] || exit 1${deleteCopiesScript(formers)}exit 0`}`,
      doing: `reloading ${unit}`,
    },
    done,
  )
}

const requireAccepted = (answer: Answer, what: string, done: readonly string[]): Answer => {
  if (answer.code === 0) return answer
  refuseUnsafe(answer, what, done)
  if (answer.code === CHANGED) throw new HostRefusal(what, outputExcerpt(answer.stderr), FIX_CHANGED, { done })
  throw new HostRefusal(`${what} (exit ${answer.code})`, outputExcerpt(answer.stderr), 'declare the package openssl before it', { done })
}

const GENERATE = {
  ecdsa: { marked: 'NIST CURVE: P-256', options: sh`-algorithm EC -pkeyopt ec_paramgen_curve:P-256` },
  rsa: { marked: 'Modulus:', options: sh`-algorithm RSA -pkeyopt rsa_keygen_bits:2048` },
} as const

/** Compares chain and key with what was observed, and sets their paths and those of their staged successors. */
const namesScript = (path: string, observed: readonly ObservedPath[]): Script => sh`${guardObserved([parentOf(path)], observed)}
chain=${path} key=${`${path}.key`}
new=${`${parentOf(path)}/.${baseOf(path)}.provision-new`} new_key=${`${parentOf(path)}/.${baseOf(path)}.key.provision-new`}`

/**
 * Sets `$use` to a key of the desired type: the live key if provision created it, otherwise a new key beside it, which goes live together
 * with its certificate. A key of unknown origin, or of a revoked certificate, may have been copied. A renewal keeps the key, so it is
 * one rename. The next run reuses or overwrites staged files of an interrupted run.
 */
const keyScript = ({ path, keyType }: CertificateSpec, observed: readonly ObservedPath[]): Script => sh`
umask 077
${namesScript(path, observed)}
of_type() { [ -f "$1" ] && [ ! -L "$1" ] && openssl pkey -in "$1" -passin pass: -noout -text_pub 2>/dev/null | grep -q ${GENERATE[keyType].marked}; }
is_ours() { [ -f "$chain" ] && case $(sha256sum <"$key") in "$(sed -n ${`s/^${KEY_HEADER}//p`} "$chain") "*) ;; *) return 1 ;; esac; }
is_revoked() { [ -f "$chain"${REVOKED} ] && fingerprint=$(openssl x509 -in "$chain" -noout -fingerprint -sha256) && grep -qxF "\${fingerprint#*=}" "$chain"${REVOKED}; }
use=$key
if ! { of_type "$key" && is_ours; } || is_revoked; then
  use=$new_key
  of_type "$use" || { rm -f -- "$use"; openssl genpkey ${GENERATE[keyType].options} -out "$use" 2>/dev/null; }
fi
`

const configOf = (names: readonly string[], organization?: string): string => {
  // A common name has at most 64 characters (RFC 5280, upper bounds) and is informational.
  const common = names.find((name) => name.length <= 64 && isIP(name) === 0)
  const subject = organization === undefined && common !== undefined ? `CN = ${common}` : `O = ${organization ?? 'provision'}`
  return `[req]
prompt = no
distinguished_name = subject
req_extensions = extensions
x509_extensions = extensions
[subject]
${subject}
[extensions]
subjectAltName = ${names.map((name) => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`).join(', ')}
`
}

// Compared before the order too: an authority limits their number.
const requestScript = (spec: CertificateSpec, state: CertificateState): Script => sh`set -e
${keyScript(spec, observedPair(spec.path, state))}
openssl req -new -key "$use" -config - ${hereDocument(configOf(spec.names))}
`

/** Installs `$new`, and its key if that is new: verified, flushed to disk, renamed. */
const swapScript = (spec: CertificateSpec, save: Script): Script => sh`
public=$(openssl x509 -in "$new" -noout -pubkey)
belongs() { [ -f "$1" ] && [ "$(openssl pkey -in "$1" -passin pass: -pubout 2>/dev/null)" = "$public" ]; }
if belongs "$key"; then rm -f -- "$new_key"; own=$key
elif belongs "$new_key"; then own=$new_key
else echo "the certificate does not belong to the private key on this host" >&2; exit 1; fi
chown ${`root:${spec.group}`} "$own"; chmod ${keyModeOf(spec.group)} "$own"
digest=$(sha256sum <"$own"); text=$(cat "$new")
printf ${`${KEY_HEADER}%s\\n%s\\n`} "\${digest%% *}" "$text" >"$new"
chown root:root "$new"; chmod 644 "$new"
sync "$new" "$own"
${save}
[ "$own" = "$key" ] || mv -fT -- "$own" "$key"
mv -fT -- "$new" "$chain"
sync "\${chain%/*}"
`

const installScript = (spec: IssuedSpec | LeafSpec, state: CertificateState): Script => {
  const { set, formers } = spec.stage === 'issued' ? { set: spec.loadedBy.set, formers: spec.formers } : {}
  const changed = [spec.path, `${spec.path}.key`, ...(formers === undefined ? [] : [formers.path])]
  const save = set === undefined ? sh`` : sh`(${saveScript(set, changed)}\n)`
  return sh`set -e
umask 077
${namesScript(spec.path, observedPair(spec.path, state))}
cat >"$new"
${formers === undefined ? sh`` : keepFormerScript(formers)}
${swapScript(spec, save)}
${formers === undefined ? sh`` : relistFormersScript(formers)}`
}

// A pair that somebody installed meanwhile satisfies a placeholder, so it is no conflict, and is compared after that.
const placeholderScript = (spec: CertificateSpec, state: CertificateState): Script => sh`${keyScript(spec, [])}
if [ -f "$chain" ] && public=$(openssl x509 -in "$chain" -noout -pubkey 2>/dev/null) && [ "$public" = "$(openssl pkey -in "$key" -passin pass: -pubout 2>/dev/null)" ] && ! grep -q ${`^${KEY_HEADER}`} "$chain"; then rm -f -- "$new_key"; exit 0; fi
${guardObserved([], observedPair(spec.path, state))}
openssl req -new -x509 -key "$use" -days 1 -out "$new" -config - ${hereDocument(configOf(spec.names, PLACEHOLDER))}
${swapScript(spec, sh``)}`

const accessScript = (spec: CertificateSpec, state: CertificateState): Script => sh`
${guardObserved([parentOf(spec.path)], accessOf(spec, state))}
chain=${spec.path}
chown root:root "$chain"; chmod 644 "$chain"
chown ${`root:${spec.group}`} "$chain.key"; chmod ${keyModeOf(spec.group)} "$chain.key"
`

/** The pair as it was observed, with the owners and modes that it may have got meanwhile. */
const accessOf = ({ path, group }: CertificateSpec, state: CertificateState): readonly ObservedPath[] => {
  const wanted = ['f 644 root root', `f ${keyModeOf(group)} root ${group}`]
  return observedPair(path, state).map((one, i) => ({ ...one, wanted: wanted[i] ?? one.inode }))
}

import type { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import { fingerprint, type HostKeyStatus, type KnownHost, knownName, type PresentedKey } from './known-hosts.ts'

/** The problem of a host key; undefined if the key is known, or unknown and `accept-new` is set. */
export const refusalOf = (target: Target, verdict: HostKeyStatus, key: PresentedKey): Problem | undefined => {
  const { name } = target
  const presented = `${key.type} ${key.fingerprint}`
  const why = `${knownName(target)} presents ${presented}`
  if (verdict.status === 'known') return undefined
  if (verdict.status === 'unknown') {
    if (target.hostKeys === 'accept-new') return undefined
    return unreachable(name, {
      what: `host key of ${name} is not known`,
      why,
      fix: `compare the fingerprint with the host’s own, then: provision trust ${name}`,
    })
  }
  const place = `${verdict.entry.file}:${verdict.entry.line}`
  if (verdict.status === 'revoked')
    return unreachable(name, {
      what: `host key of ${name} is revoked (${place})`,
      why,
      fix: 'find out why it was revoked before you connect, and create new host keys on the host: ssh-keygen -A',
    })
  if (verdict.status === 'other type')
    return unreachable(name, {
      what: `host key of ${name} has another type than the known one (${place})`,
      why: `${why}\n${place} has ${known(verdict.entry)}`,
      fix: `compare the fingerprint with the host’s own, then: provision trust ${name}`,
    })
  return unreachable(name, {
    what: `host key of ${name} changed (${place}): the host was reinstalled, or the connection is intercepted`,
    why: `${why}\n${place} has ${known(verdict.entry)}`,
    fix: `if the host was reinstalled, remove line ${verdict.entry.line} of ${verdict.entry.file}, then: provision trust ${name}`,
  })
}

const known = ({ type, key }: KnownHost): string => `${type} ${fingerprint(Buffer.from(key, 'base64'))}`

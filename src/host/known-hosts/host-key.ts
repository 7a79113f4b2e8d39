import type { Problem } from '../../problem.ts'
import type { Target } from '../target/connection.ts'
import { unreachable } from '../target/problems.ts'
import { fingerprint, type KnownHost, knownName, typeOf, type Verdict } from './known-hosts.ts'

/** Why a host key is refused; undefined when it is known, or new and may be stored. */
export const refusalOf = (target: Target, verdict: Verdict, key: Buffer): Problem | undefined => {
  const { name } = target
  const shown = `${typeOf(key)} ${fingerprint(key)}`
  const whom = knownName(target)
  if (verdict.says === 'known') return undefined
  if (verdict.says === 'unknown') {
    if (target.hostKeys === 'accept-new') return undefined
    return unreachable(name, {
      what: 'its host key is not known',
      why: `${whom} shows ${shown}`,
      fix: `compare the fingerprint with the host’s own, then: provision trust ${name}`,
    })
  }
  const place = `${verdict.entry.file}:${verdict.entry.line}`
  if (verdict.says === 'revoked')
    return unreachable(name, {
      what: `its host key is revoked at ${place}`,
      why: `${whom} shows ${shown}`,
      fix: 'do not connect before you know why; give the host new keys',
    })
  if (verdict.says === 'other type')
    return unreachable(name, {
      what: `its host key is of another type than the one at ${place}`,
      why: `${whom} shows ${shown}\n${place} holds ${known(verdict.entry)}`,
      fix: `compare the fingerprint with the host’s own, then: provision trust ${name}`,
    })
  return unreachable(name, {
    what: `its host key is not the one at ${place}: somebody may be in between, or the host was installed anew`,
    why: `${whom} shows ${shown}\n${place} holds ${known(verdict.entry)}`,
    fix: `if the host was installed anew, remove line ${verdict.entry.line} of ${verdict.entry.file}, then: provision trust ${name}`,
  })
}

const known = ({ type, key }: KnownHost): string => `${type} ${fingerprint(Buffer.from(key, 'base64'))}`

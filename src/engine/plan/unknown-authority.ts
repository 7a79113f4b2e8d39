import { X509Certificate } from 'node:crypto'
import { generationNamed } from '../../authority/generation.ts'
import { Problem } from '../../problem.ts'
import { latersIn } from '../../resource/kind/content.ts'
import { keyOf, type Signature } from '../../resource/kind/kind.ts'
import { quote } from '../../shell/quote.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'
import type { Selection } from './plan-host.ts'

/** A host, what shall be there, and what is there. */
interface Looked {
  readonly host: string
  readonly placed: readonly DeclaredResource[]
  readonly seen: Observation
}

/** A certificate on a host that an unknown generation of an authority has signed, and where the host keeps whom it trusts in its domain. */
interface Found {
  readonly host: string
  readonly role: string
  readonly resource: string
  readonly path: string
  readonly domain: string
  readonly generation: number
  readonly trusted: string | undefined
}

/**
 * Generations of authorities of this site that hosts know, and the site does not: its identities are lost, or not the newest. Others in
 * their place would make servers refuse one another for as long as only some of them know those. One problem for each. (What is forged
 * under the name of a generation that the site does know is none: it is replaced.)
 */
export const unknownAuthorities = (looked: readonly Looked[], selected: Selection, now: Date): readonly Problem[] => {
  const found = looked.flatMap((one) => foundOn(one, selected, now))
  return [...Map.groupBy(found, ({ domain, generation }) => `${domain} ${generation}`).values()].map(unknown)
}

const foundOn = ({ host, placed, seen }: Looked, selected: Selection, now: Date): readonly Found[] =>
  placed.flatMap(({ role, resource }) => {
    const signature = selected(role) ? resource.kind.signer?.(resource.spec, seen.get(keyOf(resource)), now) : undefined
    if (signature === undefined) return []
    const { authority, issuer, path } = signature
    const domain = authority.key.replace('authority:', '')
    const generation = generationNamed(domain, issuer)
    const isKnown = authority.trusted().some((one) => new X509Certificate(one).subject === issuer)
    if (generation === undefined || isKnown) return []
    return [{ host, role, resource: keyOf(resource), path, domain, generation, trusted: trustedFile(placed, signature) }]
  })

/** Where the host keeps whom it trusts in this domain. */
const trustedFile = (placed: readonly DeclaredResource[], { authority }: Signature): string | undefined =>
  placed
    .filter(({ resource: { kind, spec } }) => latersIn(kind.content?.(spec)).includes(authority.certificate))
    .flatMap(({ resource: { kind, spec } }) => kind.files?.(spec) ?? [])[0]?.path

const unknown = (found: readonly Found[]): Problem => {
  const [first] = found
  if (first === undefined) throw new Error('a problem of no certificate')
  const { host, role, resource, path, domain, generation, trusted } = first
  const hosts = [...new Set(found.map((one) => one.host))]
  const others = hosts.length > 1 ? ` (on ${hosts.slice(1, 4).join(', ')}${hosts.length > 4 ? ', …' : ''} as well)` : ''
  const lost = `identities/authority-${domain}-${generation}.lost.pem`
  const again =
    trusted === undefined
      ? ''
      : ` Where it is gone for good: ssh ${quote(host)} cat ${quote(trusted)} >${lost} and run again; what comes in its place is trusted beside it.`
  return new Problem({
    class: 'input',
    where: { host, role, resource },
    what: `was signed by generation ${generation} of the authority ${domain}, which is not in identities/${others}`,
    why: 'with another one in its place, servers would refuse one another until all of them know it',
    fix: `bring identities/ back: from version control, a backup, or whoever ran this site before.${again} Where ${host} belonged to another site: rm ${quote(path)} there`,
  })
}

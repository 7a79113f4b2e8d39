import { X509Certificate } from 'node:crypto'
import { generationNamed } from '../../authority/generation.ts'
import { firstNames } from '../../first-names.ts'
import { Problem } from '../../problem.ts'
import { latersIn } from '../../resource/kind/content.ts'
import { keyOf, type Signature } from '../../resource/kind/kind.ts'
import { quote } from '../../shell/quote.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'
import type { Selection } from './plan-host.ts'

/** A host with its declared resources and its observation. */
interface ObservedHost {
  readonly host: string
  readonly resources: readonly DeclaredResource[]
  readonly observation: Observation
}

/** A certificate on a host that an unknown generation of an authority signed, and the host's file of trusted authorities for its domain. */
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
 * Returns a problem for each generation of an authority that signed certificates on hosts and is not in `identities/`: those files are
 * lost or outdated. With a new authority in its place, servers would refuse each other until all of them trust it. A certificate with the
 * issuer name of a known generation and a wrong signature is not a problem: it is replaced.
 */
export const unknownAuthorities = (reached: readonly ObservedHost[], selected: Selection, now: Date): readonly Problem[] => {
  const found = reached.flatMap((one) => foundOn(one, selected, now))
  return [...Map.groupBy(found, ({ domain, generation }) => `${domain} ${generation}`).values()].map(unknown)
}

const foundOn = ({ host, resources, observation }: ObservedHost, selected: Selection, now: Date): readonly Found[] =>
  resources.flatMap(({ role, resource }) => {
    const signature = selected(role) ? resource.kind.signer?.(resource.spec, observation.get(keyOf(resource)), now) : undefined
    if (signature === undefined) return []
    const { authority, issuer, path } = signature
    const domain = authority.key.replace('authority:', '')
    const generation = generationNamed(domain, issuer)
    const isKnown = authority.trusted().some((one) => new X509Certificate(one).subject === issuer)
    if (generation === undefined || isKnown) return []
    return [{ host, role, resource: keyOf(resource), path, domain, generation, trusted: trustedFile(resources, signature) }]
  })

/** The host's file of trusted authorities for this domain. */
const trustedFile = (resources: readonly DeclaredResource[], { authority }: Signature): string | undefined =>
  resources
    .filter(({ resource: { kind, spec } }) => latersIn(kind.content?.(spec)).includes(authority.certificate))
    .flatMap(({ resource: { kind, spec } }) => kind.files?.(spec) ?? [])[0]?.path

const unknown = (found: readonly Found[]): Problem => {
  const [first] = found
  if (first === undefined) throw new Error('an unknown authority without certificates')
  const { host, role, resource, path, domain, generation, trusted } = first
  const hosts = [...new Set(found.map((one) => one.host))]
  const others = hosts.length > 1 ? ` (on ${firstNames(hosts.slice(1))} as well)` : ''
  const lost = `identities/authority-${domain}-${generation}.lost.pem`
  const again =
    trusted === undefined
      ? ''
      : ` If it is lost for good, run ssh ${quote(host)} cat ${quote(trusted)} >${lost} and run again; the hosts then trust the old and the new generation.`
  return new Problem({
    class: 'input',
    where: { host, role, resource },
    what: `certificate is signed by generation ${generation} of authority ${domain}, which is not in identities/${others}`,
    why: 'with a new authority in its place, servers would refuse each other until all of them trust it',
    fix: `restore identities/ from version control, from a backup, or from the person who ran this site before.${again} If ${host} belonged to another site, run rm ${quote(path)} there`,
  })
}

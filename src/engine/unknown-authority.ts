import { X509Certificate } from 'node:crypto'
import { Problem } from '../problem.ts'
import { quote } from '../quote.ts'
import { type CertificateSpec, certificate, type LeafSpec } from '../resource/certificate.ts'
import { isOfUnknown } from '../resource/certificate-plan.ts'
import type { Leaf, SeenCertificate } from '../resource/certificate-seen.ts'
import { latersIn } from '../resource/content.ts'
import { type FileSpec, file } from '../resource/file.ts'
import { keyOf } from '../resource/kind.ts'
import type { Observation } from './observe.ts'
import type { Placed } from './place.ts'
import type { Selection } from './planning.ts'

/** A host, what shall be there, and what is there. */
interface Looked {
  readonly host: string
  readonly placed: readonly Placed[]
  readonly seen: Observation
}

/** A certificate on a host, and where the host keeps whom it trusts in its domain. */
interface Found {
  readonly host: string
  readonly role: string
  readonly spec: LeafSpec
  readonly leaf: Leaf
  readonly trusted: string | undefined
}

/**
 * Authorities of this site of which hosts have certificates, and which the site does not know: its identities are lost, or were never
 * fetched. Others in their place would make servers refuse one another for as long as only some of them know those. One problem for each
 * generation.
 */
export const unknownAuthorities = (looked: readonly Looked[], selected: Selection, now: Date): readonly Problem[] => {
  const found = looked.flatMap((one) => ofUnknown(one, selected, now))
  return [...Map.groupBy(found, ({ spec, leaf }) => `${spec.authority.key} ${leaf.issuer}`).values()].map(unknown)
}

const ofUnknown = ({ host, placed, seen }: Looked, selected: Selection, now: Date): readonly Found[] =>
  placed.flatMap(({ role, resource }) => {
    if (resource.kind.name !== certificate.kind.name || !selected(role)) return []
    const [spec, { leaf }] = [resource.spec as CertificateSpec, seen.get(keyOf(resource)) as SeenCertificate]
    if (spec.stage !== 'leaf' || leaf === undefined || !isOfUnknown(spec, leaf, now)) return []
    return [{ host, role, spec, leaf, trusted: trustedFile(placed, spec) }]
  })

const trustedFile = (placed: readonly Placed[], { authority }: LeafSpec): string | undefined =>
  placed
    .filter(({ resource }) => resource.kind.name === file.kind.name)
    .map(({ resource }) => resource.spec as FileSpec)
    .find(({ content }) => latersIn(content).includes(authority.certificate))?.path

const unknown = (found: readonly Found[]): Problem => {
  const [first] = found
  if (first === undefined) throw new Error('a problem of no certificate')
  const { host, role, spec, leaf, trusted } = first
  const hosts = [...new Set(found.map((one) => one.host))]
  const others = hosts.length > 1 ? ` (on ${hosts.slice(1, 4).join(', ')}${hosts.length > 4 ? ', …' : ''} as well)` : ''
  const domain = spec.authority.key.replace('authority:', '')
  const number = new RegExp(`^CN=provision ${domain} ([1-9][0-9]{0,5})$`).exec(leaf.issuer)?.[1]
  // Of a name that the host made up, nothing is repeated.
  const by = number === undefined ? 'an authority' : `generation ${number} of an authority`
  const isNameTaken = spec.authority.trusted().some((one) => new X509Certificate(one).subject === leaf.issuer)
  const lost = `identities/authority-${domain}-${number}.lost.pem`
  const again =
    trusted === undefined || number === undefined || isNameTaken
      ? ''
      : ` Where it is gone for good: ssh ${quote(host)} cat ${quote(trusted)} >${lost} and run again; what comes in its place is trusted beside it.`
  return new Problem({
    class: 'input',
    where: { host, role, resource: `certificate:${spec.path}` },
    what: `was signed by ${by} for the domain ${domain} that is not in identities/${others}`,
    why: 'with a new one in its place, servers would refuse one another until all of them know it',
    fix: `bring identities/ back: from version control, a backup, or whoever ran this site before.${again} Where ${host} belonged to another site: rm ${quote(spec.path)} there`,
  })
}

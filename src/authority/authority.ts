import { isIP } from 'node:net'
import type { Environment } from '../environment.ts'
import type { Declared } from '../keystore/declared.ts'
import type { Authority, IssueRequest, LaterValue } from '../keystore/identities.ts'
import { Problem } from '../problem.ts'
import { crossSigned, dueOf, type Generation, generationName, lacksCrossSignature, unexpired } from './generation.ts'
import { authorityStore } from './store.ts'
import type { LeafTerms } from './x509.ts'

/** Opens an authority of the site. Its state is read now, and again after each `make`. */
export const openAuthority = (
  root: string,
  env: Environment,
  domain: string,
  now: () => Date,
): Declared & { readonly authority: Authority } => {
  const key = `authority:${domain}`
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(domain)) throw domainProblem(key)
  const zone = `${domain}.provision.internal`
  const store = authorityStore(root, env, domain, zone)
  // The state is fixed for the whole run: a generation that becomes due meanwhile is created by the next run.
  const readState = () => {
    const [all, time] = [store.generations(), now()]
    return { valid: unexpired(all, time), due: dueOf(all, time) }
  }
  let state = readState()
  const trusted = (): readonly string[] => state.valid.map(({ certificate }) => certificate)
  const certificate: LaterValue = {
    later: `the certificate of ${key}`,
    get: () => (state.due === undefined ? trusted().join('') : undefined),
    soFar: () => trusted().join(''),
  }
  const nameOf = (host: string): string => `${host}.${zone}`
  const staleHosts = new Set<string>()
  return {
    authority: {
      key,
      zone,
      certificate,
      trusted,
      nameOf,
    },
    missing: () =>
      state.due === undefined ? undefined : { key, action: state.valid.length === 0 ? 'create' : 'update', reason: state.due },
    make: async () => {
      await store.make(now())
      state = readState()
    },
    markStale: (value, host) => {
      if (value === certificate) staleHosts.add(host)
    },
    issue: async (order) => {
      const newest = state.valid.at(-1)
      if (newest === undefined || newest.lost) throw new Error(`${key} cannot sign before it was created`)
      const unaware = [...staleHosts].filter((host) => !order.names.includes(nameOf(host)))
      if (lacksCrossSignature(state.valid) && unaware.length > 0) throw notTrustedYet(key, unaware)
      const { checkRequest, signLeaf, signerOf } = await import('./x509.ts')
      const checked = await checkRequest(order.request, order.names)
      if ('fault' in checked) throw refused(key, checked.fault)
      const signer = await signerOf(generationName(domain, newest.number), (await store.key(newest)).reveal())
      const time = now()
      const certificate = await signLeaf(signer, checked.request, { names: namesIn(zone, order), ...grant(order, newest, time) })
      // Until the previous generation expires, some hosts may trust only that one, so the cross-signed certificate is appended.
      return `${certificate}${crossSigned(newest, time)}`
    },
  }
}

const DAY_MS = 86_400_000

/** A certificate is valid from a little before its creation, because clocks differ: a twentieth of its lifetime, at most an hour. */
const LEEWAY = { part: 1 / 20, mostMs: 3_600_000 }

/** The usages and the validity of a certificate, within the validity of its authority. */
const grant = ({ leaf }: IssueRequest, generation: Generation, now: Date): Pick<LeafTerms, 'usages' | 'life'> => {
  if (leaf === undefined) throw new Error('usages and lifetime are missing in a request to an authority of the site')
  const [start, life] = [now.getTime(), leaf.lifetimeDays * DAY_MS]
  const from = new Date(Math.max(start - Math.min(life * LEEWAY.part, LEEWAY.mostMs), generation.from))
  return { usages: leaf.usages, life: { from, to: new Date(Math.min(start + life, generation.to)) } }
}

const namesIn = (zone: string, { names }: IssueRequest): readonly string[] => {
  // A host name and an address: nobody outside of the site trusts this authority, and only the site knows its addresses.
  const foreign = names.filter((name) => isIP(name) === 0 && !name.endsWith(`.${zone}`))
  if (names.length > 0 && foreign.length === 0) return names
  throw new Error(`authority of ${zone} cannot sign for ${foreign.join(', ')}`)
}

const refused = (key: string, why: string): Problem =>
  new Problem({
    class: 'task',
    where: { host: 'controller', resource: key },
    what: 'host requested a certificate that differs from that of the site',
    why,
    fix: 'find out who changed the certificate request on the host; nothing was signed',
  })

const notTrustedYet = (key: string, hosts: readonly string[]): Problem =>
  new Problem({
    class: 'task',
    where: { host: 'controller', resource: key },
    what: 'authority does not sign before all hosts trust it',
    why: `the key of the previous generation is lost, so it could not cross-sign this one; hosts that did not trust it yet: ${hosts.toSorted().join(', ')}`,
    fix: 'run again; the authority signs once all hosts trust it',
  })

const domainProblem = (key: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: key },
    what: 'name of a trust domain is invalid',
    why: 'it needs at most 31 lower-case letters, digits and dashes, a letter first',
    fix: 'use a name such as edge, database or metrics',
  })

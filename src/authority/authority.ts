import type { Declared } from '../keystore/declared.ts'
import type { Authority, CertificateWish, MadeOnce } from '../keystore/identities.ts'
import { Problem } from '../problem.ts'
import { dueOf, type Generation, generationName, isStranger, living, vouchedFor } from './generation.ts'
import { authorityStore } from './store.ts'
import type { LeafTerms } from './x509.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** An authority of the site, as it is at the time of its declaration and after each `make`. */
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
  // One look for the whole run: a generation that falls due in the middle of it is a matter of the next.
  const look = () => {
    const [all, time] = [store.generations(), now()]
    return { alive: living(all, time), due: dueOf(all, time) }
  }
  let state = look()
  const trusted = (): readonly string[] => state.alive.map(({ certificate }) => certificate)
  const certificate: MadeOnce = {
    later: `the certificate of ${key}`,
    get: () => (state.due === undefined ? trusted().join('') : undefined),
    soFar: () => trusted().join(''),
  }
  const nameOf = (host: string): string => `${host}.${zone}`
  const learning = new Set<string>()
  return {
    authority: {
      key,
      zone,
      certificate,
      trusted,
      nameOf,
    },
    missing: () =>
      state.due === undefined ? undefined : { key, action: state.alive.length === 0 ? 'create' : 'update', reason: state.due },
    make: async () => {
      await store.make(now())
      state = look()
    },
    stillLearns: (value, host) => {
      if (value === certificate) learning.add(host)
    },
    issue: async (wish) => {
      const newest = state.alive.at(-1)
      if (newest === undefined || newest.lost) throw new Error(`${key} was not made before it was to sign`)
      const unaware = [...learning].filter((host) => !wish.names.includes(nameOf(host)))
      if (isStranger(state.alive) && unaware.length > 0) throw unknownYet(key, unaware)
      const { checkRequest, signLeaf, signerOf } = await import('./x509.ts')
      const checked = await checkRequest(wish.request, wish.names)
      if ('fault' in checked) throw refused(key, checked.fault)
      const signer = await signerOf(generationName(domain, newest.number), (await store.key(newest)).reveal())
      const time = now()
      const certificate = await signLeaf(signer, checked.request, { names: namesIn(zone, wish), ...grant(wish, newest, time) })
      // Until the generation before expires, some may trust only that one: what it says of this one goes with the certificate.
      return `${certificate}${vouchedFor(newest, time)}`
    },
  }
}

const DAY_MS = 86_400_000

/** Clocks differ, so that a certificate begins a little before it is made: by a twentieth of its life, an hour at most. */
const LEEWAY = { part: 1 / 20, mostMs: 3_600_000 }

/** What a certificate is good for, and for how long. */
const grant = ({ leaf }: CertificateWish, generation: Generation, now: Date): Pick<LeafTerms, 'usages' | 'life'> => {
  if (leaf === undefined) throw new Error('an authority of the site was not told what a certificate shall be good for')
  const [start, life] = [now.getTime(), leaf.lifetimeDays * DAY_MS]
  const from = new Date(Math.max(start - Math.min(life * LEEWAY.part, LEEWAY.mostMs), generation.from))
  return { usages: leaf.usages, life: { from, to: new Date(Math.min(start + life, generation.to)) } }
}

const namesIn = (zone: string, { names }: CertificateWish): readonly string[] => {
  const strange = names.filter((name) => !name.endsWith(`.${zone}`))
  if (names.length > 0 && strange.length === 0) return names
  throw new Error(`the authority of ${zone} was asked for ${strange.join(', ')}`)
}

const refused = (key: string, why: string): Problem =>
  new Problem({
    class: 'task',
    where: { host: 'controller', resource: key },
    what: 'the host asked for another certificate than the site says',
    why: `the request was refused: ${why}`,
    fix: 'find out who changed the certificate request on the host; nothing was signed',
  })

const unknownYet = (key: string, hosts: readonly string[]): Problem =>
  new Problem({
    class: 'task',
    where: { host: 'controller', resource: key },
    what: 'signs nothing in the run in which hosts learn of it',
    why: `the key of the one before is lost, so that it could not vouch for this one, and did not trust it yet: ${hosts.toSorted().join(', ')}`,
    fix: 'run again: then it signs',
  })

const domainProblem = (key: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: key },
    what: 'cannot be the name of a trust domain',
    fix: 'use at most 31 small letters, digits and dashes, a letter first: edge, database, metrics',
  })

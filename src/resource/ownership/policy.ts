import { ABSENT, reasonUnreached } from '../kind/inode.ts'
import type { Change, PlanContext } from '../kind/kind.ts'
import { type OrphanSpec, type OrphanState, placeOf } from './observe.ts'
import type { OwnedThing } from './record.ts'

/** What is done about something that is left over: it is deleted, or stays and is no longer ours, or is gone already. */
export type Fate =
  | { readonly is: 'delete'; readonly note?: string }
  | { readonly is: 'stays'; readonly why: string }
  | { readonly is: 'gone' }

/** As a plan has it. */
export const verdictOf = (fate: Fate): Change => ({
  action: fate.is === 'delete' ? 'delete' : 'update',
  certainty: 'exact',
  reason: reasonOf(fate),
  differences: [],
})

const reasonOf = (fate: Fate): string => {
  if (fate.is === 'delete') return `no role declares it any more${fate.note === undefined ? '' : `; ${fate.note}`}`
  return fate.is === 'gone' ? 'gone already, our record forgets it' : `stays as it is and is no longer ours: ${fate.why}`
}

/** Deleted are only things that are exactly as we left them, and whose loss can neither lock anybody out nor lose data. */
export const fateOf = ({ thing }: OrphanSpec, seen: OrphanState, world: Pick<PlanContext, 'deleted'>): Fate => {
  const name = thing.key.slice(0, thing.key.indexOf(':'))
  const unreached = reasonUnreached(seen.inode)
  if (unreached !== undefined) return stays(unreached)
  const judge = Object.hasOwn(judges, name) ? judges[name] : undefined
  return judge?.(thing, seen, world) ?? stays(Object.hasOwn(REASONS, name) ? (REASONS[name] ?? '') : 'nobody knows how to remove it')
}

type Judge = (thing: OwnedThing, seen: OrphanState, world: Pick<PlanContext, 'deleted'>) => Fate | undefined

const stays = (why: string): Fate => ({ is: 'stays', why })

const asFile =
  (note?: string): Judge =>
  (thing, { inode, sha256, package: owner }) => {
    if (placeOf(thing) === undefined) return stays('our record does not say where it lies')
    if (inode === ABSENT || thing.digest === 'absent') return { is: 'gone' }
    if (inode.type !== 'f' || thing.digest !== sha256) return stays('somebody else wrote it since')
    if (owner !== undefined) return stays(`it belongs to the package ${owner}`)
    return { is: 'delete', ...(note !== undefined && { note }) }
  }

const asLink: Judge = (thing, { inode, package: owner }) => {
  if (inode === ABSENT) return { is: 'gone' }
  if (thing.digest === undefined) return stays('our record does not say where it led')
  if (inode.type !== 'l' || `->${inode.target}` !== thing.digest) return stays('somebody else wrote it since')
  return owner === undefined ? { is: 'delete' } : stays(`it belongs to the package ${owner}`)
}

/** Within what is deleted before it, a directory can become empty. */
const asDirectory: Judge = (thing, { inode, within, package: owner }, world) => {
  const place = placeOf(thing)
  if (inode === ABSENT) return { is: 'gone' }
  if (inode.type !== 'd') return stays('somebody else wrote it since')
  if (owner !== undefined) return stays(`it belongs to the package ${owner}`)
  const others = within.filter((one) => !world.deleted?.has(`${place}/${one}`))
  return others.length === 0
    ? { is: 'delete' }
    : stays(`it is not empty: ${others.slice(0, 3).join(', ')}${others.length > 3 ? ', …' : ''}`)
}

const judges: Readonly<Record<string, Judge>> = {
  file: asFile(),
  unit: asFile('what it ran is stopped'),
  sysctl: asFile('the kernel keeps the value until the next boot'),
  link: asLink,
  directory: asDirectory,
  // It is stopped with its unit.
  service: ({ key }, _, world) => (world.deleted?.has(`/etc/systemd/system/${key.slice('service:'.length)}`) ? { is: 'gone' } : undefined),
  // What it did cannot be told from what others did.
  command: () => ({ is: 'gone' }),
  unreplicated: () => ({ is: 'gone' }),
}

/** Why the rest is never deleted for being left out. */
const REASONS: Readonly<Record<string, string>> = {
  service: 'a service is not stopped for being left out; say running: false',
  package: 'packages are not removed for being left out, others may need them; say state: absent',
  user: 'accounts are not removed for being left out, their files would be nobody’s; say state: absent',
  group: 'groups are not removed for being left out, their files would be nobody’s; say state: absent',
  'authorized-keys': 'nobody is locked out for being left out; say state: absent',
  nftables: 'a firewall is not taken down for being left out',
  sshd: 'how one comes in is not changed by leaving it out',
  certificate: 'keys and certificates are not removed for being left out',
  galera: 'a database server stays as it is for being left out; another topology of it sees to the rest',
  replication: 'a database server stays as it is for being left out; another topology of it sees to the rest',
  release: 'content is not removed for being left out',
}

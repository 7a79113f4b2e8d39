import { describeDifferences, differing } from '../kind/differences.ts'
import type { Change, Difference, PlanContext } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal } from '../kind/step.ts'
import { KEY } from './as-user/key-names.ts'
import { type Account, homeOf, NO_ACCOUNT, shellOf, type UserSpec, type UserState } from './user-spec.ts'

export const planUser = (spec: UserSpec, state: UserState, { packagesPending }: PlanContext): Change | undefined => {
  const { account } = state
  if (spec.state === 'absent') return account === NO_ACCOUNT ? undefined : deletion(spec, state)
  const missingShell = state.isShellMissing ? `; shell ${shellOf(spec, account !== NO_ACCOUNT)} does not exist` : ''
  // A package of this run can bring the shell.
  const certainty = state.isShellMissing && packagesPending ? 'dependent' : 'exact'
  const key = keyDifferences(state)
  if (account === NO_ACCOUNT) {
    const owner = spec.uid === undefined && !spec.system ? state.newHome.owner : undefined
    const uid = owner === undefined ? [] : [{ key: 'uid', to: `${owner}, the owner of ${homeOf(spec)}` }]
    const differences = [...uid, ...key]
    return { action: 'create', certainty, reason: `missing${missingShell}`, differences }
  }
  const differences = [...differencesOf(spec, account), ...key]
  if (differences.length === 0) return undefined
  const reason = describeDifferences(differences)
  const movesShell = differences.some(({ key }) => key === 'shell')
  if (state.busy === undefined)
    return {
      action: 'update',
      certainty: movesShell ? certainty : 'exact',
      reason: `${reason}${movesShell ? missingShell : ''}`,
      differences,
    }
  return { action: 'update', certainty: 'dependent', reason: `${reason}; its processes must end first: ${state.busy}`, differences }
}

/** Whether the account has its settings, and only its SSH key is missing. */
export const lacksOnlyKey = (spec: UserSpec, { account }: UserState): boolean =>
  account !== NO_ACCOUNT && spec.state === 'present' && differencesOf(spec, account).length === 0

/** Whether the run makes an SSH key, or finishes one. */
export const lacksKey = ({ sshKey }: UserState): boolean => sshKey !== undefined && sshKey.is !== 'there'

const keyDifferences = (state: UserState): readonly Difference[] =>
  lacksKey(state) ? [{ key: 'SSH key', from: 'missing', to: `~/.ssh/${KEY}` }] : []

const deletion = ({ endSessions }: UserSpec, { account, busy, oldHome }: UserState): Change => {
  const processes = busy === undefined ? '' : `; ${endSessions ? 'ends its processes' : 'its processes must end first'}: ${busy}`
  const home = oldHome === undefined || account === NO_ACCOUNT ? '' : `; deletes ${account.home}`
  const certainty = busy === undefined || endSessions ? 'exact' : 'dependent'
  return { action: 'delete', certainty, reason: `declared absent${processes}${home}`, differences: [] }
}

const differencesOf = (spec: UserSpec, account: Account): readonly Difference[] => {
  const { uid, group, home, shell, comment, password } = spec
  const missing = missingGroups(spec, account)
  return [
    ...differing({ uid, group, home, shell, comment, password }, account),
    ...(missing.length === 0 ? [] : [{ key: 'groups', from: account.groups.join(', '), to: [...account.groups, ...missing].join(', ') }]),
    ...(needsHome(spec, account) ? [{ key: 'home directory', from: 'missing', to: home ?? account.home }] : []),
  ]
}

export const missingGroups = ({ groups }: UserSpec, account: Account): readonly string[] =>
  groups.filter((name) => name !== account.group && !account.groups.includes(name))

/** Numbers of people (UID_MIN of Debian, and the number of nobody). Packages decide about the homes of their accounts. */
const isPerson = (uid: number): boolean => uid >= 1000 && uid < 65_534

/** Whether the run creates the home of an existing account. Directory services create those of their accounts at the first login. */
export const needsHome = ({ home, system }: UserSpec, account: Account): boolean =>
  account.isLocal && !system && isPerson(account.uid) && (!account.hasHome || (home !== undefined && home !== account.home))

const CANNOT_LOG_IN = /\/(nologin|false|true)$/

/** Returns why a user cannot become as declared, or why the run would shut itself out. */
export const forbidsUser = (spec: UserSpec, state: UserState, context: PlanContext): HostRefusal | undefined =>
  (state.isRunAccount ? lockOut(spec, state, context) : undefined) ?? impossible(spec, state, context)

const lockOut = (
  spec: UserSpec,
  { account, isShellMissing, grants }: UserState,
  { anyPackagesPending }: PlanContext,
): HostRefusal | undefined => {
  const { name, uid, home, group } = spec
  const refusal = (what: string, why: string): HostRefusal =>
    new HostRefusal(what, why, 'set `user` in the inventory to another account of the hosts first, or keep this one as it is')
  if (account === NO_ACCOUNT) return undefined
  if (spec.state === 'absent') return refusal(`${name} would be deleted`, 'it is the account that this run uses')
  const shell = spec.shell === account.shell ? undefined : spec.shell
  if (shell !== undefined && (CANNOT_LOG_IN.test(shell) || (isShellMissing && anyPackagesPending !== true)))
    return refusal(
      `${name} would get the shell ${shell}`,
      isShellMissing ? 'it is the account that this run uses, and the host has no such program' : 'it is the account that this run uses',
    )
  if (uid !== undefined && uid !== account.uid) return refusal(`the number of ${name} would change`, 'it is the account that this run uses')
  if (home !== undefined && home !== account.home)
    return refusal(`the home of ${name} would move`, 'it is the account that this run uses, and its keys are there')
  if (group !== undefined && group !== account.group && !account.groups.includes(account.group) && grants.includes(account.group))
    return refusal(
      `${name} would leave the group ${account.group}`,
      'it is the account that this run uses, and sudo or sshd admits it by this group',
    )
  return undefined
}

const impossible = (spec: UserSpec, state: UserState, context: PlanContext): HostRefusal | undefined => {
  const { account, uidOwner, newHome, oldHome, sshKey } = state
  const { name, uid, home } = spec
  if (
    account !== NO_ACCOUNT &&
    !account.isLocal &&
    (spec.state === 'absent' || differencesOf(spec, account).some(({ key }) => key !== 'groups'))
  )
    return new HostRefusal(
      `${name} is not an account of this host`,
      'a directory service has it, and provision changes local accounts only',
      'change it in the directory service, and declare only its name and its groups',
    )
  if (spec.state === 'absent')
    return oldHome?.fault === undefined || account === NO_ACCOUNT
      ? undefined
      : new HostRefusal(`home of ${name} is not deleted`, `${account.home}: ${oldHome.fault}`, 'remove `removeHome`, and delete it by hand')
  if (uidOwner !== undefined && !context.changes(`user:${uidOwner}`))
    return new HostRefusal(`${name} cannot have the number ${uid}`, `${uidOwner} has it on this host`, 'declare another number, or none')
  if (lacksKey(state) && sshKey?.hasProgram === false && context.packagesPending !== true && context.anyPackagesPending !== true)
    return new HostRefusal(
      `the SSH key of ${name} cannot be made`,
      'the host has no ssh-keygen, and no earlier change of this run installs it',
      'declare `package: { name: openssh-client }` before it',
    )
  const creates = !spec.system && (account === NO_ACCOUNT || (home !== undefined && home !== account.home))
  if (newHome.fault !== undefined && creates && !context.changes(`directory:${parentOf(homeOf(spec))}`))
    return new HostRefusal(
      `${homeOf(spec)} cannot become the home of ${name}`,
      newHome.fault,
      'choose a home directory below directories that only root can change',
    )
  return undefined
}

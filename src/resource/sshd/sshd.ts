import { trialHistory } from '../guarded/trial.ts'
import { ABSENT, typeName } from '../kind/inode.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { applySettings } from './apply.ts'
import { observeSettings, obstacleTo, type SshdState } from './observe.ts'
import { shutOut } from './shut-out.ts'
import { type SshdSpec, schema } from './spec.ts'

/**
 * Settings of sshd, in a file that it reads before all others. New settings are kept only if a new connection confirms them; otherwise
 * the host restores the old ones on its own.
 */
export const sshd = defineKind({
  name: 'sshd',
  summary: 'settings of sshd, kept only if a new connection confirms them',
  schema,
  id: ({ path }) => path,
  observe: observeSettings,

  plan: (spec: SshdSpec, state: SshdState): Change | undefined => {
    const differences = differencesOf(spec, state)
    const load = pendingReload(spec, state)
    const reasons = [trialHistory('settings', state), obstacleTo(spec, state), ...differences.map(reasonOf), load]
    const found = reasons.filter((reason) => reason !== undefined)
    if (found.length === 0) return undefined
    return {
      action: state.inode === ABSENT ? 'create' : 'update',
      certainty: 'exact',
      reason: found.join('; '),
      // The reason already states that the file is missing or of another type.
      differences: differences.filter(({ key }) => key !== 'file'),
      ...(state.pending === 'this boot' ? { debt: true } : {}),
      ...(load === undefined ? {} : { unfinished: true }),
    }
  },

  // Memberships that change in this run are left to the new connection that has to confirm the settings.
  forbids: (spec, state, { changes }) => (changes(`user:${state.login.account}`) ? undefined : shutOut(spec, state)),

  orphan: { keep: 'login settings are never changed automatically' },
  apply: applySettings,
  diff: ({ spec, state }) => ({ before: state.text, after: spec.text }),
  files: ({ path, sha256 }) => [{ path, sha256 }],
})

const differencesOf = (spec: SshdSpec, { inode, sha256 }: SshdState): readonly Difference[] => {
  if (inode === ABSENT) return [{ key: 'file', from: 'missing' }]
  if (inode.type !== 'f') return [{ key: 'file', from: `${typeName(inode.type)} at its path` }]
  const { mode, owner, group } = inode
  const access = `${mode} ${owner}:${group}`
  return [
    ...(sha256 === spec.sha256 ? [] : [{ key: 'settings' }]),
    ...(access === '644 root:root' ? [] : [{ key: 'mode and owner', from: access, to: '644 root:root' }]),
  ]
}

const reasonOf = ({ key, from }: Difference): string => (key === 'file' ? (from ?? '') : `${key} differ`)

/** Whether the daemon has not loaded the file: by its stamp if that is valid, otherwise by the change time of the file. */
const pendingReload = ({ path, sha256 }: SshdSpec, { sha256: there, service }: SshdState): string | undefined => {
  if (there !== sha256 || !['active', 'reloading'].includes(service.active)) return undefined
  const { stamp, reloadFailed, touched } = service
  const isLoaded = stamp === undefined ? !reloadFailed && !touched : stamp.sums.get(path) === sha256
  return isLoaded ? undefined : 'pending reload: sshd runs with older settings'
}

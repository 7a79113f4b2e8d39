import { defineKind } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { applyMeshes } from './apply.ts'
import { observeMeshes } from './observe.ts'
import { meshDiff, meshNotices, planMesh } from './plan.ts'
import { pathsOf, schema } from './spec.ts'

/**
 * Key and peers of a host in a mesh of WireGuard. The host makes its private key and keeps it; the members exchange their public keys in
 * the run. A member that was not reached keeps its place.
 */
export const wireguard = defineKind({
  name: 'wireguard',
  summary: 'key and peers of a host in a WireGuard mesh',
  schema,
  id: (spec) => spec.interface,
  observe: observeMeshes,
  plan: planMesh,
  notices: meshNotices,
  apply: applyMeshes,
  diff: meshDiff,
  contained: true,
  orphan: { keep: 'private keys are never deleted automatically; the other members have removed this host' },
  recorded: ({ me }) => [me],
  directories: (spec) => [parentOf(pathsOf(spec.interface).key)],
  sequence: ({ members }) => members.map(({ host }) => host),
})

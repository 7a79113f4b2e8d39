import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { requireLogin, tryLogin } from '../guarded/login.ts'
import { isLoginFile } from '../guarded/login-access.ts'
import { ABSENT, type InodeState, inodeWord, planAbsent, planUnreached, refuseUnreached, typeName } from '../kind/inode.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { absolutePath, parentOf } from '../kind/path.ts'
import { inodeQuery } from '../kind/queries.ts'
import { OBSERVED, walk } from '../kind/walk.ts'
import { stagedName } from './place.ts'
import { isReadBySudo } from './sudoers.ts'
import { wrongType } from './wrong-type.ts'

const schema = z.strictObject({
  path: absolutePath,
  /** Target, absolute or relative to the directory of the link. */
  target: z.string().min(1).default('/dev/null'),
  state: z.enum(['present', 'absent']).default('present'),
})

type LinkSpec = z.output<typeof schema>

/** A symbolic link. It is replaced by one rename, so it exists at every moment. A file or directory at its path is never deleted. */
export const link = defineKind({
  name: 'link',
  summary: 'symbolic link',
  schema,
  id: ({ path }) => path,
  observe: (specs: readonly LinkSpec[]) => inodeQuery(specs.map(({ path }) => path)),

  plan: (spec, state: InodeState, { packagesPending }) => {
    const unreached = planUnreached(state)
    if (unreached !== undefined) return unreached
    if (spec.state === 'absent') return planAbsent(state, packagesPending)
    if (state === ABSENT)
      return { action: 'create', certainty: 'exact', reason: 'missing', differences: [{ key: 'target', to: spec.target }] }
    if (state.type === 'l' && state.target === spec.target) return undefined
    const from = state.type === 'l' ? state.target : typeName(state.type)
    return { action: 'update', certainty: 'exact', reason: 'target differs', differences: [{ key: 'target', from, to: spec.target }] }
  },

  directories: ({ path }) => [parentOf(path)],
  effects: ({ path, state, target }) => [{ path, becomes: state === 'absent' ? 'absent' : { type: 'l', target } }],
  contained: true,
  forbids: (spec, state, context) => wrongType(spec.path, state, { what: 'a link', types: 'l', state: spec.state }, context),
  orphan: { delete: 'link' },
  recorded: ({ path, target }) => [path, `->${target}`],
  aspect: ({ path }) => ({ is: 'link', of: path }),
  *apply(work) {
    for (const { id, state } of work) refuseUnreached(id, state)
    const words = work.flatMap(({ spec: { path, target, state }, state: observed }) => [
      ...[path, stagedName(path, '.link'), state, target],
      inodeWord(observed),
    ])
    const answer = yield { do: 'shell', script: sh`${loginScript(work)}${walk(LINKS, ...words)} "\${T-}"` }
    requireLogin(
      answer,
      work.map(({ id }) => id),
      [],
    )
    requireBatch(answer, work, { what: (id) => `${id ?? 'links'} not changed` })
  },
})

/** Tries a login with the links among the files that decide about it. */
const loginScript = (work: readonly Work<LinkSpec, InodeState>[]): Script => {
  const files = work.filter(({ id }) => isLoginFile(id) || isReadBySudo(id)).map(({ spec }) => spec)
  if (files.length === 0) return sh``
  const present = files.filter(({ state }) => state === 'present')
  return sh`${tryLogin(
    files.map(({ path, state }) => ({ path, isAbsent: state === 'absent' })),
    sh`{ ${present.map(({ path, target }) => sh`ln -s -- ${target} "$work/new"${path.slice('/etc'.length)} && `)}:; }`,
  )}\n`
}

const LINKS = `${OBSERVED}
my $scratch = pop @ARGV;
while (@ARGV) {
  my ($path, $staged, $state, $target, $observed) = splice @ARGV, 0, 5;
  my ($parent, $name) = parted($path);
  $current = $path;
  if ($state eq 'absent' && !enter($parent) && $held[2] eq 'does not exist') { done($path); next }
  reach($parent);
  my ($now) = inode_of($name);
  if ($now eq ($state eq 'absent' ? 'absent' : "l $target")) { done($path); next }
  is_as_observed($name, $observed, $scratch) or changed($path, $name);
  fail("$path exists and is not a link" . owned($name)) if $now ne 'absent' && $now !~ /^l /;
  if ($state eq 'absent') { unlink $name or $!{ENOENT} or fail("$path: $!"); deleted($path, $scratch) }
  else {
    unlink $staged;
    symlink $target, $staged and rename $staged, $name or do { my $why = "$!"; unlink $staged; fail("$path: $why") };
  }
  to_disk('.'); done($path) if $state ne 'absent';
}
`

import { lastLines } from '../../problem.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { records } from '../kind/chunks.ts'
import { ABSENT } from '../kind/inode.ts'
import { type Answers, inodeAt, type KindQuery } from '../kind/queries.ts'
import { environmentOf, GIT } from './git-command.ts'
import type { GitSpec, GitState, Resolved } from './git-spec.ts'
import { busyOf, readTrees, TREE_FIELDS, type TreeState, treesScript } from './manifest.ts'

const PROGRAM = '/usr/bin/git'

/** Time for the answer of a server, in seconds. All servers are asked at once. */
const ANSWER_S = 15

/** Compares the checkouts with their manifests, and asks the servers for branches and tags: as the account, without secrets. */
export const observeGit = (specs: readonly GitSpec[]): KindQuery<GitState> => {
  const asked = specs.filter(({ commit }) => commit === undefined)
  return {
    shared: { inodes: [PROGRAM, ...specs.flatMap(({ path }) => [path, busyOf(path)])] },
    script: sh`${treesScript(specs.map(({ path }) => ({ path, onlyListed: true })))}${askScript(asked)}`,
    parse: (stdout, answers) => {
      const fields = stdout.toString().split('\0')
      const bytes = Buffer.from(
        fields
          .slice(0, specs.length * TREE_FIELDS)
          .map((field) => `${field}\0`)
          .join(''),
      )
      const trees = readTrees(bytes)
      const resolved = readResolved(stdout.subarray(bytes.length), asked)
      return new Map(
        specs.flatMap((spec): readonly [string, GitState][] => {
          const tree = trees.get(spec.path)
          return tree === undefined ? [] : [[spec.path, stateOf(spec, answers, tree, resolved)]]
        }),
      )
    },
  }
}

const stateOf = ({ path }: GitSpec, answers: Answers, tree: TreeState, all: ReadonlyMap<string, Resolved>): GitState => {
  const resolved = all.get(path)
  return {
    inode: inodeAt(answers, path),
    tree,
    busy: inodeAt(answers, busyOf(path)) !== ABSENT,
    installed: inodeAt(answers, PROGRAM) !== ABSENT,
    ...(resolved !== undefined && { resolved }),
  }
}

/** The names under which a server may know a branch or tag, the first first. A tag with a message leads to its commit. */
const namesOf = ({ ref }: GitSpec): readonly string[] => [
  `refs/heads/${ref}`,
  `refs/tags/${ref}^{}`,
  `refs/tags/${ref}`,
  ...(ref.startsWith('refs/') ? [ref] : []),
]

const askScript = (specs: readonly GitSpec[]): Script =>
  specs.length === 0 ? sh`` : sh`[ ! -x ${PROGRAM} ] || perl -e ${ASK} -- ${specs.flatMap(wordsOf)}`

const wordsOf = (spec: GitSpec): readonly (string | number)[] => {
  const words = [...environmentOf(spec), ...GIT, 'ls-remote', '--', spec.repository, ...namesOf(spec)]
  return [spec.path, spec.user, words.length, ...words]
}

/** Starts all questions, and prints path, status and answer of each. It reads a limited number of bytes. */
const ASK = `
my @running;
while (my ($path, $user, $count) = splice @ARGV, 0, 3) {
  my @words = splice @ARGV, 0, $count;
  my @account = getpwnam $user;
  my $answer;
  my $pid = @account ? open($answer, '-|') // die "no program can be started: $!\\n" : -1;
  if ($pid == 0) {
    open STDERR, '>&', STDOUT; open STDIN, '<', '/dev/null';
    exec 'timeout', '-s', 'KILL', ${ANSWER_S}, 'setpriv', "--reuid=$account[2]", "--regid=$account[3]", '--init-groups', '--no-new-privs', 'env', '-i', "PATH=$ENV{PATH}", @words;
    exit 127;
  }
  push @running, [$path, $answer];
}
for (@running) {
  my ($path, $answer) = @$_;
  my ($text, $status) = ('', 'no account');
  if ($answer) {
    while (length $text < 65536) { sysread $answer, $text, 4096, length $text or last }
    close $answer;
    $status = $?;
  }
  $text =~ tr/\\0//d;
  print join("\\0", $path, $status, $text), "\\0";
}
`

/** Reads what `ASK` printed. A repository that is missing in the answer was not asked, because the host has no git or no such account. */
const readResolved = (stdout: Buffer, specs: readonly GitSpec[]): ReadonlyMap<string, Resolved> => {
  const answers = new Map(records(stdout, 3).map(([path = '', status = '', text = '']) => [path, { status, text }]))
  return new Map(
    specs.flatMap((spec): readonly [string, Resolved][] => {
      const answer = answers.get(spec.path)
      return answer === undefined || answer.status === 'no account' ? [] : [[spec.path, resolve(spec, answer)]]
    }),
  )
}

/** The status of a program that was killed. */
const KILLED = ['9', '35072']

const resolve = (spec: GitSpec, { status, text }: { readonly status: string; readonly text: string }): Resolved => {
  if (KILLED.includes(status)) return { why: `${spec.repository} did not answer within ${ANSWER_S} s` }
  if (status !== '0') return { why: lastLines(text.trim(), 3) || `git ended with status ${status}` }
  const commits = new Map(
    text.split('\n').flatMap((line) => (/^[0-9a-f]{40}\t/.test(line) ? [[line.slice(41), line.slice(0, 40)] as const] : [])),
  )
  const commit = namesOf(spec)
    .map((name) => commits.get(name))
    .find((found) => found !== undefined)
  return commit === undefined ? { why: `${spec.repository} has no branch or tag ${spec.ref}` } : { commit }
}

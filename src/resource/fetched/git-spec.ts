import { z } from 'zod'
import { Secret } from '../../secret/secret.ts'
import { sha256Hex } from '../kind/content.ts'
import type { InodeState } from '../kind/inode.ts'
import { absolutePath, accountName } from '../kind/path.ts'
import { secret } from '../kind/secret.ts'
import type { TreeState } from './manifest.ts'

/** `git@host:path`, as git and ssh write it. */
const SCP = /^[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:(?![/-])[^\s\p{Cc}]+$/u

const isSsh = (repository: string): boolean => repository.startsWith('ssh:') || SCP.test(repository)

/** Returns why a text cannot be a repository; undefined if it can. */
const faultOf = (text: string): string | undefined => {
  if (SCP.test(text)) return undefined
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return 'must be https://…, ssh://… or git@HOST:PATH'
  const { protocol, username, password, hostname } = new URL(text)
  if (!['https:', 'ssh:', 'http:', 'git:'].includes(protocol)) return 'must be https://…, ssh://… or git@HOST:PATH'
  if (password !== '') hide(password)
  if (password !== '' || (username !== '' && protocol !== 'ssh:'))
    return 'must not contain a user or a password: plans and lists of processes show URLs; use the option token'
  return hostname.startsWith('-') || username.startsWith('-') ? 'must not have a name that begins with a dash' : undefined
}

/** Masks a password in every message. */
const hide = (password: string): unknown => new Secret(password)

const COMMIT = /^[0-9a-f]{40}$/

/** A name that git-check-ref-format(1) accepts, of ordinary characters. */
const ref = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_](?:[A-Za-z0-9_./+@-]*[A-Za-z0-9_+@-])?$/, 'must be a branch, a tag or a commit')
  .refine((name) => !/\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)/.test(name), 'must be a branch, a tag or a commit')
  .refine((name) => !/^[0-9a-f]{7,39}$/.test(name), 'must be a full commit: a short one can become ambiguous')

const knownHost = z
  .string()
  .regex(
    /^[A-Za-z0-9.,:[\]*?!-]+ (?:ssh|ecdsa|sk-ssh|sk-ecdsa)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/,
    'must be a line of known_hosts without a comment: `ssh-keyscan HOST` prints candidates, and the server publishes their fingerprints',
  )

export const schema = z
  .strictObject({
    path: absolutePath.meta({ description: 'directory of the checkout; declare it before, with the owner user', examples: ['/srv/shop'] }),
    repository: z
      .string()
      .superRefine((text, context) => {
        const message = faultOf(text)
        if (message !== undefined) context.addIssue({ code: 'custom', message })
      })
      .meta({ description: 'URL of the repository', examples: ['https://github.com/acme/shop.git', 'git@github.com:acme/shop.git'] }),
    ref: ref.meta({
      description: 'branch, tag or full commit; every observation asks the server for a branch or tag, and for a commit never',
      examples: ['main', 'v1.4.2'],
    }),
    user: accountName
      .refine((name) => name !== 'root', 'must be an account without the rights of root')
      .meta({ description: 'account that owns the checkout; git runs with its rights', examples: ['shop'] }),
    depth: z.int().min(0).max(1_000_000).default(1).meta({ description: 'number of commits to fetch; 0 fetches the whole history' }),
    discard: z.boolean().default(false).meta({ description: 'overwrite local changes of tracked files; otherwise the run refuses them' }),
    knownHosts: z
      .array(knownHost)
      .default([])
      .meta({
        description: 'lines of known_hosts with the host keys of the server; ssh accepts no other',
        examples: [['github.com ssh-ed25519 AAAA…']],
      }),
    key: secret().optional().meta({
      description:
        'deploy key for ssh, in the form of OpenSSH, without a passphrase; default: the keys of the account. It stays on the host only while git fetches',
    }),
    token: secret().optional().meta({ description: 'password or token for https; it stays on the host only while git fetches' }),
    tokenUser: z
      .string()
      .regex(/^[A-Za-z0-9._@+-]+$/, 'must be a name of letters, digits and ._@+-')
      .default('x-access-token')
      .meta({ description: 'user for token', examples: ['oauth2'] }),
    withinMinutes: z.number().positive().max(1440).default(30).meta({ description: 'time limit in minutes' }),
  })
  .superRefine(({ repository, ref, knownHosts, key, token }, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (isSsh(repository) && knownHosts.length === 0) issue('knownHosts', 'must be set for ssh: an unknown server could send anything')
    if (!isSsh(repository) && key !== undefined) issue('key', 'needs a repository by ssh')
    if (!repository.startsWith('https:') && token !== undefined) issue('token', 'needs a repository by https')
    if (COMMIT.test(ref)) return
    if (key !== undefined || token !== undefined)
      issue('ref', 'must be a full commit beside key or token, because an observation gets no secrets: `git rev-parse HEAD` prints it')
    if (/^(http|git):/.test(repository))
      issue('ref', 'must be a full commit, because nobody protects this connection: `git rev-parse HEAD` prints it; or use https')
  })
  .transform((spec) => ({
    ...spec,
    /** The declared commit; undefined for a branch or tag. */
    ...(COMMIT.test(spec.ref) && { commit: spec.ref }),
    /** Digest of what decides the checkout beside the commit. */
    origin: sha256Hex(JSON.stringify([1, spec.repository, spec.user])).slice(0, 16),
    ssh: isSsh(spec.repository),
  }))

export type GitSpec = z.output<typeof schema> & { readonly commit?: string | undefined }

/** The answer of a server about a branch or tag. */
export type Resolved = { readonly commit: string } | { readonly why: string }

export interface GitState {
  readonly inode: InodeState
  readonly tree: TreeState
  /** Whether an earlier run was interrupted while it replaced files. */
  readonly busy: boolean
  /** Whether the host has git. */
  readonly installed: boolean
  /** The commit of a branch or tag. Undefined for a commit, and where git is missing. */
  readonly resolved?: Resolved
}

/** First word of the manifest: the commit, and the digest of the options beside it. */
export const headOf = (spec: GitSpec, commit: string): string => `${commit} ${spec.origin}`

/** The commit of a manifest. */
export const commitOf = ({ head }: TreeState): string | undefined => (COMMIT.test(head.slice(0, 40)) ? head.slice(0, 40) : undefined)

import { z } from 'zod'
import { isSecret } from '../../secret/secret.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { bytesOf, sha256Hex } from '../kind/content.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { type Change, type Difference, defineKind, type Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { accountName } from '../kind/path.ts'
import { secret } from '../kind/secret.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { passwordFault, passwordHash } from './password.ts'

/** Forms of crypt(5) that a Debian host verifies, except for those that are broken. */
const HASH = /^\$(6|5|y|gy|2[aby])\$[./A-Za-z0-9$,=]{20,}$/

const days = (what: string) =>
  z
    .int()
    .min(-1)
    .max(99_999)
    .optional()
    .meta({ description: `${what}; -1: no limit`, examples: [90] })

const schema = z
  .strictObject({
    user: accountName.meta({ description: 'name of the account', examples: ['ann'] }),
    password: secret().optional().meta({ description: 'the password; the host receives its SHA-512 digest only' }),
    hash: secret()
      .refine((value) => HASH.test(value.reveal()), 'must be a digest of crypt(5) that begins with $6$, $5$, $y$ or $2b$')
      .optional()
      .meta({ description: 'the digest of a password, as `mkpasswd` prints it, in place of the password' }),
    expires: z.iso
      .date('must be a date such as 2027-01-31, or never')
      .or(z.literal('never'))
      .optional()
      .meta({ description: 'day from which nobody can log in with the account', examples: ['2027-01-31'] }),
    maxDays: days('days after which the password must be changed'),
    minDays: days('days before it may be changed again'),
    warnDays: days('days of warning before it must be changed'),
  })
  .superRefine(({ user, ...given }, context) => {
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    if (given.password !== undefined && given.hash !== undefined) issue('hash', 'must not be set together with password')
    if (Object.values(given).every((value) => value === undefined)) issue('password', 'must be set, or hash, or a limit')
    const fault = given.password && passwordFault(given.password)
    if (fault !== undefined) issue('password', fault)
  })
  .transform(({ password, hash, ...rest }) => ({
    ...rest,
    hash: password === undefined ? hash : passwordHash(password, `account ${rest.user}`),
  }))

type PasswordSpec = z.output<typeof schema>

/** An entry of /etc/shadow. Its digest has a nonce, so that it is of no use elsewhere. */
interface Shadow {
  readonly digest: string
  readonly minDays: string
  readonly maxDays: string
  readonly warnDays: string
  readonly expires: string
}

export interface PasswordState {
  readonly nonce: string
  /** Undefined if the host has no local account of this name. */
  readonly entry: Shadow | undefined
  readonly isRunAccount: boolean
}

/** Password and its limits, of an account that the host has or that the run creates. */
export const userPassword = defineKind({
  name: 'user-password',
  summary: 'password of an account, and its limits',
  schema,
  id: ({ user }) => user,

  observe: (specs: readonly PasswordSpec[]) => ({
    script: sh`IFS= read -r nonce </proc/sys/kernel/random/uuid; printf 'nonce:%s\\nrun:%s\\n' "$nonce" "\${SUDO_USER:-root}"
${READ}
entries ${specs.map(({ user }) => user)}
echo end`,
    parse: (stdout) => {
      const lines = stdout
        .toString()
        .split('\n')
        .map((line) => line.split(':'))
      const fieldOf = (word: string): string => lines.find(([first]) => first === word)?.[1] ?? ''
      if (lines.at(-2)?.[0] !== 'end' || fieldOf('nonce') === '') throw new Error('the host did not report all accounts')
      const entries = new Map(
        lines.flatMap(([word, user = '', digest = '', minDays = '', maxDays = '', warnDays = '', expires = '']) =>
          word === 'entry' ? [[user, { digest, minDays, maxDays, warnDays, expires }] as const] : [],
        ),
      )
      return new Map(
        specs.map(({ user }): [string, PasswordState] => [
          user,
          { nonce: fieldOf('nonce'), entry: entries.get(user), isRunAccount: fieldOf('run') === user },
        ]),
      )
    },
  }),

  plan: (spec, state: PasswordState, context): Change | undefined => {
    const differences = differencesOf(spec, state)
    if (differences.length === 0) return undefined
    const isNew = state.entry === undefined
    const certainty = isNew && context.changes(`user:${spec.user}`) ? 'dependent' : 'exact'
    return { action: isNew ? 'create' : 'update', certainty, reason: isNew ? 'not set' : describeDifferences(differences), differences }
  },

  accounts: ({ user }) => ({ users: [user] }),
  forbids: ({ user, expires }, { isRunAccount }, { now }) =>
    isRunAccount && expires !== undefined && expires !== 'never' && Date.parse(expires) <= now.getTime() + 24 * 3_600_000
      ? new HostRefusal(
          `${user} would expire on ${expires}`,
          'it is the account that this run uses',
          'declare a later day, or use another account for the run',
        )
      : undefined,

  *apply(work: readonly Work<PasswordSpec, PasswordState>[]): Steps {
    const changed = work.filter(({ spec, state }) => spec.hash !== undefined && isOtherHash(spec, state))
    const answer = yield {
      do: 'shell',
      doing: 'setting passwords',
      input: bytesOf({ type: 'text', parts: changed.flatMap(({ spec }) => [`${spec.user}:`, spec.hash ?? '', '\n']) }),
      script: sh`umask 077; cat >"$T/passwords" || exit 1; trap 'rm -f "$T/passwords"' EXIT
${READ}
${work.map(compared)}
[ ! -s "$T/passwords" ] || chpasswd -e <"$T/passwords" >&2 || exit 1
${work.map(({ id, spec, state }) => {
  const words = limitsOf(spec, state)
  return sh`${words.length === 0 ? sh`` : sh`chage ${words} -- ${spec.user} </dev/null >&2 || { printf 'culprit\\0%s\\0' ${id}; exit 1; }\n`}printf 'done\\0%s\\0' ${id}`
})}`,
    }
    requireBatch(answer, work, {
      what: (id) => `password of ${id ?? 'accounts'} not set`,
      fix: 'fix the problem that chpasswd or chage reports, then run again',
    })
  },

  contained: true,
  orphan: {
    keep: 'an account without a password could not log in any more; declare the user with password: locked, or with state: absent',
  },
})

const isOtherHash = ({ hash }: PasswordSpec, { nonce, entry }: PasswordState): boolean =>
  isSecret(hash) && entry?.digest !== sha256Hex(nonce + hash.reveal())

/** Days since 1970, as /etc/shadow has them. */
const dayOf = (expires: string): string => (expires === 'never' ? '' : `${Date.parse(expires) / 86_400_000}`)
const dateOf = (day: string): string => (day === '' ? 'never' : new Date(Number(day) * 86_400_000).toISOString().slice(0, 10))

const LIMITS = ['minDays', 'maxDays', 'warnDays'] as const

const differencesOf = (spec: PasswordSpec, state: PasswordState): readonly Difference[] => {
  const { entry } = state
  const limits = LIMITS.flatMap((key) => {
    const value = spec[key]
    const now = entry?.[key] ?? ''
    return value === undefined ? [] : differing({ [key]: `${value}` }, { [key]: entry === undefined ? undefined : now || '-1' })
  })
  const isExpiry = spec.expires !== undefined && (entry === undefined || dayOf(spec.expires) !== entry.expires)
  return [
    ...(isOtherHash(spec, state) ? [{ key: 'password', to: 'not shown, because it is a secret' }] : []),
    ...limits,
    ...(isExpiry ? differing({ expires: spec.expires }, { expires: entry === undefined ? undefined : dateOf(entry.expires) }) : []),
  ]
}

/** Arguments of chage(1) for the limits that differ. */
const limitsOf = (spec: PasswordSpec, state: PasswordState): readonly string[] => {
  const keys = differencesOf(spec, state).map(({ key }) => key)
  const FLAGS = { minDays: '-m', maxDays: '-M', warnDays: '-W' } as const
  return [
    ...LIMITS.flatMap((key) => (keys.includes(key) ? [FLAGS[key], `${spec[key]}`] : [])),
    ...(keys.includes('expires') ? ['-E', spec.expires === 'never' ? '-1' : (spec.expires ?? '')] : []),
  ]
}

/** Refuses an entry that is neither the observed nor the declared one. An account that the run has created has no password yet. */
const compared = ({ id, spec, state: { nonce, entry } }: Work<PasswordSpec, PasswordState>): Script =>
  entry === undefined
    ? sh`entries ${spec.user} >"$T/entry" && [ -s "$T/entry" ] || { printf 'culprit\\0%s\\0' ${id}; echo ${`${spec.user} is no local account`} >&2; exit 1; }`
    : sh`nonce=${nonce}; now=$(entries ${spec.user}) || exit 1
case $now in ${`entry:${spec.user}:${entry.digest}:`}*${spec.hash === undefined ? sh`` : sh`|${`entry:${spec.user}:${sha256Hex(nonce + spec.hash.reveal())}:`}*`}) ;; *)
  printf 'culprit\\0%s\\0' ${id}; echo ${`the password of ${spec.user} is not as it was observed`} >&2; exit ${CHANGED} ;; esac`

/** Function \`entries USER...\`: prints the digest of the password, with \`$nonce\`, and the limits. One sha256sum for all. */
const READ: Script = sh`entries() {
  rm -rf "$T/shadow"; mkdir -m 700 "$T/shadow" || return
  [ ! -f /etc/shadow ] || while IFS=: read -r name hash _ min max warn _ expire _; do
    for user do [ "$user" != "$name" ] || { printf %s "$nonce$hash" >"$T/shadow/$name"; echo "$min:$max:$warn:$expire" >"$T/shadow/.$name"; }; done
  done </etc/shadow
  for user do
    [ -e "$T/shadow/$user" ] || continue
    (cd "$T/shadow" && sha256sum -- *) >"$T/sums" || return
    while read -r sum name; do IFS= read -r limits <"$T/shadow/.$name"; echo "entry:$name:$sum:$limits"; done <"$T/sums"
    break
  done
  rm -rf "$T/shadow"
}`

import { type Check, directory, file, type HostView, line, pkg, type Resource, type Secret } from 'provision'
import type { Fault } from './part.ts'

/** An account with an optional second factor. */
export interface Coded {
  readonly name: string
  readonly state: 'present' | 'absent'
  readonly totp?: Secret | undefined
}

const [PAM, CODES] = ['/etc/pam.d/sshd', '/etc/security/provision-totp']
const MODULE = 'pam_google_authenticator.so'

/** base32, as authenticators read it: 80 to 512 bits. */
export const isCode = (text: string): boolean => /^[A-Z2-7]{16,103}$/.test(text)

const withCode = (people: readonly Coded[]) =>
  people.flatMap(({ name, state, totp }) => (state === 'present' && totp !== undefined ? [{ name, totp }] : []))

const codeFile = (name: string): string => `${CODES}/${name}`

// The rules of PAM are read for each login. A login without a code does not reach this rule: sshd asks only people who have one.
const rule = (state: 'present' | 'absent'): Resource =>
  line({
    path: PAM,
    contains: MODULE,
    state,
    ...(state === 'present' && {
      line: `auth [success=done default=die] ${MODULE} secret=${CODES}/\${USER} user=root noskewadj`,
      before: '^@include\\s+common-auth',
    }),
  })

/** The module and the secrets, before sshd asks for codes. The files have no use counter, so nothing on the host changes them. */
export const codeFiles = (people: readonly Coded[]): readonly Resource[] => {
  const own = withCode(people)
  if (own.length === 0) return []
  return [
    pkg({ name: 'libpam-google-authenticator' }),
    directory({ path: CODES, mode: '700' }),
    ...own.map(({ name, totp }) =>
      file({ path: codeFile(name), mode: '600', content: { type: 'text', parts: [totp, '\n" WINDOW_SIZE 3\n" TOTP_AUTH\n'] } }),
    ),
    rule('present'),
  ]
}

/** Settings of sshd for people with a code. */
export const codeMatches = (people: readonly Coded[]) => {
  const users = withCode(people).map(({ name }) => name)
  if (users.length === 0) return []
  return [{ users, settings: { AuthenticationMethods: 'publickey,keyboard-interactive', KbdInteractiveAuthentication: 'yes' } }]
}

/** Deletes the secrets and the rule, once sshd no longer asks for codes. */
export const codeLeftovers = (people: readonly Coded[]): readonly Resource[] => {
  const without = people.filter(({ state, totp }) => state === 'absent' || totp === undefined)
  return [
    ...without.map(({ name }) => file({ path: codeFile(name), state: 'absent' })),
    ...(withCode(people).length === 0 ? [rule('absent')] : []),
  ]
}

/** Codes that cannot work, or that the run or other accounts would have to type. */
export const codeFaults = (
  people: readonly Coded[],
  host: HostView,
  { enabled, settings }: { readonly enabled: boolean; readonly settings: Readonly<Record<string, unknown>> },
  option: string,
): readonly Fault[] =>
  people.flatMap(({ name, state, totp }, i) => {
    if (state === 'absent' || totp === undefined) return []
    const fault = (what: string, fix: string): Fault => ({ path: [option, i, 'totp'], what, fix })
    const asksAll = Object.entries(settings).some(([key, value]) => key.toLowerCase() === 'kbdinteractiveauthentication' && value !== 'no')
    return [
      ...(name === host.user
        ? [
            fault(
              `${name} is the account that this run uses, and a run types no code`,
              'set `user` in the inventory to another account first',
            ),
          ]
        : []),
      ...(isCode(totp.reveal())
        ? []
        : [fault('totp must be 16 to 103 letters of base32 (A-Z, 2-7)', 'make one with `head -c 20 /dev/urandom | base32`')]),
      ...(enabled ? [] : [fault('codes need settings of sshd, which are not managed', 'set `ssh.enabled: true`')]),
      ...(asksAll
        ? [fault('ssh.settings would ask every account for a code', 'remove KbdInteractiveAuthentication from ssh.settings')]
        : []),
    ]
  })

export const codeChecks = (people: readonly Coded[]): readonly Check[] =>
  withCode(people).map(({ name }) => ({
    name: `${name} needs a key and a code`,
    script: `sshd -T -C user=${name},host=client,addr=192.0.2.1 | grep -qx 'authenticationmethods publickey,keyboard-interactive' &&
grep -q '^auth .*${MODULE}' ${PAM} && [ "$(stat -c %U:%a ${codeFile(name)})" = root:600 ] && ls /usr/lib/*/security/${MODULE} /lib/*/security/${MODULE} 2>/dev/null | grep -q .`,
  }))

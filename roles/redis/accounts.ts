import { Secret, type Text, text } from 'provision'
import { sha256Hex } from 'provision/kind'
import type { Options } from './options.ts'

/** Accounts of this role, and what they may do. */
const OWN = {
  provision: '~* +@all',
  'provision-replica': '+psync +replconf +ping',
  'provision-monitor': '+ping +info +client|setname',
} as const

export type OwnAccount = keyof typeof OWN

/** Password of an account of this role: each function has its own, so that the exporter cannot administrate. */
export const passwordOf = (account: OwnAccount, { password }: Options): Secret =>
  new Secret(sha256Hex(`${account}\n${sha256Hex(password.reveal())}`))

/** The server receives digests of passwords only. */
const digestOf = (password: Secret): Secret => new Secret(sha256Hex(password.reveal()))

/** Content of the file of accounts. The account of clients without a name is off unless it is declared. */
export const accountsFile = (given: Options, hasChannels: boolean): Text => {
  const lines = [
    ...(given.users.some(({ name }) => name === 'default') ? [] : [text`user default off\n`]),
    ...Object.entries(OWN).map(
      ([name, rules]) =>
        text`user ${name} on #${digestOf(passwordOf(name as OwnAccount, given))} ${rules}${hasChannels && name === 'provision' ? ' &*' : ''}\n`,
    ),
    ...given.users.map(({ name, password, keys, channels, commands }) => {
      const rules = [...keys.map((key) => `~${key}`), ...channels.map((channel) => `&${channel}`), ...commands]
      return text`user ${name} on ${hasChannels ? 'resetchannels ' : ''}#${digestOf(password)} ${rules.join(' ')}\n`
    }),
  ]
  return { type: 'text', parts: lines.flatMap(({ parts }) => parts) }
}

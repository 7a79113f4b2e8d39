import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { Problem } from '../../problem.ts'
import type { Connection } from './connection.ts'

/** The settings of ssh's configuration for a destination. */
export interface SshConfig {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly keys: readonly string[]
  readonly knownHosts: readonly string[]
  readonly jump: readonly string[]
  readonly hostKeys?: Connection['hostKeys']
  readonly hostKeyAlias?: string
  readonly agent?: string
}

/** Reads the settings for a destination (`alias`, `user@host`, `ssh://user@host:port`) from the installed `ssh`. */
export const resolveThroughSshConfig = async (destination: string): Promise<SshConfig> => {
  const where = { command: `ssh -G ${destination}` }
  const written = await new Promise<string>((resolve, reject) => {
    execFile('ssh', ['-G', '--', destination], { timeout: 10_000 }, (error, stdout, stderr) => {
      if (!error) resolve(stdout)
      else if (error.code === 'ENOENT')
        reject(
          new Problem({
            class: 'input',
            where,
            what: 'configuration of ssh cannot be read because ssh is not installed',
            fix: 'install openssh-client, or set address, user and key in the inventory',
          }),
        )
      else
        reject(
          new Problem({
            class: 'input',
            where,
            what: 'configuration of ssh is invalid',
            why: stderr.trim() || error.message,
            fix: 'correct ~/.ssh/config',
          }),
        )
    })
  })
  const config = parseSshConfig(destination, written)
  return { ...config, keys: config.keys.filter((key) => existsSync(key)) }
}

/** Parses the output of `ssh -G`. */
export const parseSshConfig = (destination: string, written: string): SshConfig => {
  const settings = new Map<string, string[]>()
  for (const line of written.split('\n')) {
    const [name, value] = /^(\S+) (.*)$/.exec(line.trimEnd())?.slice(1) ?? []
    if (name !== undefined && value !== undefined) settings.set(name.toLowerCase(), [...(settings.get(name.toLowerCase()) ?? []), value])
  }
  const get = (name: string): string | undefined => settings.get(name)?.[0]
  const given = (name: string): string | undefined => (get(name) === 'none' ? undefined : get(name))
  if (given('proxycommand') !== undefined)
    throw new Problem({
      class: 'input',
      where: { command: `ssh -G ${destination}` },
      what: 'ProxyCommand is not supported',
      fix: 'use ProxyJump instead',
    })
  const address = get('hostname') ?? destination
  const port = Number(get('port') ?? 22)
  const user = get('user') ?? userInfo().username
  const path = (text: string): string =>
    text
      .replace(/^~(?=\/|$)/, homedir())
      .replace(
        /%([%dhnpru])/g,
        (_, token: string) =>
          ({ '%': '%', d: homedir(), h: address, n: destination, p: String(port), r: user, u: userInfo().username })[token] ?? '',
      )
  const alias = given('hostkeyalias')
  const agent = given('identityagent')
  return {
    address,
    port,
    user,
    keys: chosenKeys(settings.get('identityfile') ?? []).map(path),
    knownHosts: [get('userknownhostsfile'), get('globalknownhostsfile')]
      .flatMap((files) => (files ?? '').split(' ').filter((file) => file !== '' && file !== 'none'))
      .map(path),
    jump: (given('proxyjump') ?? '').split(',').filter((hop) => hop !== ''),
    ...(get('stricthostkeychecking') === 'accept-new' ? { hostKeys: 'accept-new' as const } : {}),
    ...(alias === undefined ? {} : { hostKeyAlias: alias }),
    ...(agent === undefined || agent === 'SSH_AUTH_SOCK' ? {} : { agent: path(agent) }),
  }
}

// Without IdentityFile in the configuration, ssh prints all its default names.
const chosenKeys = (files: readonly string[]): readonly string[] =>
  files.length > 1 && files.every((file) => /^~\/\.ssh\/id_[a-z0-9_]+$/.test(file)) ? [] : files.filter((file) => file !== 'none')

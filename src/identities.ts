import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { directoryProblem, openAccount } from './acme/account.ts'
import { directoryName, directoryUrl } from './acme/directory.ts'
import { openAuthority } from './authority/authority.ts'
import { ageKeyFile, ensureAgeKey } from './keystore/age-key.ts'
import type { Declared } from './keystore/declared.ts'
import type { Identities } from './keystore/identities.ts'
import { Problem } from './problem.ts'

/**
 * The identities of a project: its ACME accounts and certificate authorities, in `identities/` and encrypted to the project's
 * recipients. Opening and declaring change nothing and decrypt nothing.
 */
export const openIdentities = async (
  root: string,
  env: Readonly<Record<string, string | undefined>>,
  now: () => Date = () => new Date(),
): Promise<Identities> => {
  const accounts = new Map<string, ReturnType<typeof openAccount>>()
  const authorities = new Map<string, ReturnType<typeof openAuthority>>()
  const declared = new Map<string, Declared>()
  const ageKey = `age-key:${ageKeyFile(env)}`

  const find = (key: string): Declared => {
    const found = declared.get(key)
    if (found === undefined) throw new Error(`${key} was never declared`)
    return found
  }

  return {
    acmeAccount: (options) => {
      const url = directoryUrl(options.directory)
      if (url === undefined) throw directoryProblem(options.directory)
      const known = accounts.get(url)
      if (known !== undefined && !isDeepStrictEqual({ ...known.options, directory: '' }, { ...options, directory: '' }))
        throw twoWaysProblem(directoryName(url))
      const one = known ?? openAccount(root, env, url, options)
      accounts.set(url, one)
      declared.set(one.account.key, one)
      return one.account
    },

    authority: ({ domain }) => {
      const one = authorities.get(domain) ?? openAuthority(root, env, domain, now)
      authorities.set(domain, one)
      declared.set(one.authority.key, one)
      return one.authority
    },

    missing: () => {
      const identities = [...declared.values()].flatMap((one) => one.missing() ?? [])
      if (identities.length === 0 || existsSync(ageKeyFile(env))) return identities
      const reason = 'you have none yet; keep it safe, it opens what the site keeps encrypted'
      return [{ key: ageKey, action: 'create', reason }, ...identities]
    },

    stillLearns: (value, host) => {
      for (const one of declared.values()) one.stillLearns?.(value, host)
    },

    make: async (key) => {
      if (key === ageKey) await ensureAgeKey(root, env)
      else await find(key).make()
    },

    issue: (key, wish, doing) => find(key).issue(wish, doing),
  }
}

const twoWaysProblem = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: 'two hosts describe this account differently',
    why: 'an account has one contact, one ca_file, one dns_hook and one try_first',
    fix: 'write the options of acme once, at the group that all balancers share',
  })

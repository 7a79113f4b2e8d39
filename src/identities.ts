import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { directoryProblem, openAccount } from './acme/account.ts'
import { directoryName, directoryUrl } from './acme/directory.ts'
import { openAuthority } from './authority/authority.ts'
import type { Environment } from './environment.ts'
import { ageKeyFile, ensureAgeKey } from './keystore/age-key.ts'
import type { Declared } from './keystore/declared.ts'
import type { Identities } from './keystore/identities.ts'
import { Problem } from './problem.ts'

/**
 * The identities of a project: its ACME accounts and certificate authorities, encrypted for its recipients in `identities/`. Opening and
 * declaring changes nothing and decrypts nothing.
 */
export const openIdentities = async (root: string, env: Environment, now: () => Date = () => new Date()): Promise<Identities> => {
  const accounts = new Map<string, ReturnType<typeof openAccount>>()
  const authorities = new Map<string, ReturnType<typeof openAuthority>>()
  const declared = new Map<string, Declared>()
  const ageKey = `age-key:${ageKeyFile(env)}`

  const find = (key: string): Declared => {
    const found = declared.get(key)
    if (found === undefined) throw new Error(`${key} was not declared`)
    return found
  }

  return {
    acmeAccount: (options) => {
      const url = directoryUrl(options.directory)
      if (url === undefined) throw directoryProblem(options.directory)
      const known = accounts.get(url)
      if (known !== undefined && !isDeepStrictEqual({ ...known.options, directory: '' }, { ...options, directory: '' }))
        throw conflictingOptions(directoryName(url))
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
      const reason = 'not created yet; keep it safe, it decrypts the secrets and identities of the site'
      return [{ key: ageKey, action: 'create', reason }, ...identities]
    },

    markStale: (value, host) => {
      for (const one of declared.values()) one.markStale?.(value, host)
    },

    make: async (key) => {
      if (key === ageKey) await ensureAgeKey(root, env)
      else await find(key).make()
    },

    issue: (key, request, doing) => find(key).issue(request, doing),
  }
}

const conflictingOptions = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: 'two hosts have different options for this account',
    why: 'contact, ca_file, external_account, dns_hook, dns_update and try_first belong to the account, not to a host',
    fix: 'set the options of acme once, at the group of all load balancers',
  })

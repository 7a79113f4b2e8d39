import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { directoryName, directoryUrl } from '../acme/directory.ts'
import { Problem } from '../problem.ts'
import { type AccountStore, accountStore } from './account-store.ts'
import { ageKeyFile, ensureAgeKey } from './age-key.ts'
import type { AcmeAccount, AcmeOptions, Identities } from './identities.ts'

interface Declared {
  readonly account: AcmeAccount
  readonly options: AcmeOptions
  readonly url: string
  readonly store: AccountStore
}

/**
 * The identities of a project: its ACME accounts, in `identities/` and encrypted to the project's recipients. Opening and declaring
 * change nothing and decrypt nothing; acme-client, slow to load, comes only with the first order.
 */
export const openIdentities = async (root: string, env: Readonly<Record<string, string | undefined>>): Promise<Identities> => {
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
      const directory = directoryName(url)
      const key = `acme-account:${directory}`
      const known = declared.get(key)
      if (known !== undefined) {
        if (known.options.contact !== options.contact || known.options.caFile !== options.caFile) throw twoWaysProblem(directory)
        return known.account
      }
      if (options.caFile !== undefined) readAuthorities(root, options.caFile)
      const store = accountStore(root, env, directory)
      let made = store.thumbprint()
      const account: AcmeAccount = {
        key,
        thumbprint: {
          later: `the thumbprint of ${key}`,
          get: () => {
            made ??= store.thumbprint()
            return made
          },
        },
      }
      declared.set(key, { account, options, url, store })
      return account
    },

    missing: () => {
      const accounts = [...declared.values()]
        .filter(({ account }) => account.thumbprint.get() === undefined)
        .map(({ account }) => ({ key: account.key, reason: 'the site has no account there yet' }))
      if (accounts.length === 0 || existsSync(ageKeyFile(env))) return accounts
      return [{ key: ageKey, reason: 'you have none yet; keep it safe, it opens what the site keeps encrypted' }, ...accounts]
    },

    make: async (key) => {
      if (key === ageKey) await ensureAgeKey(root, env)
      else await find(key).store.make()
    },

    issue: async (key, request, names, doing) => {
      const { options, url, store } = find(key)
      const { issueCertificate } = await import('../acme/issue.ts')
      return issueCertificate({
        directory: directoryName(url),
        url,
        ca: options.caFile === undefined ? undefined : readAuthorities(root, options.caFile),
        accountKey: (await store.key()).reveal(),
        contact: options.contact,
        request,
        names,
        doing,
      })
    },
  }
}

const readAuthorities = (root: string, caFile: string): string => {
  const text = readText(resolve(root, caFile))
  if (text?.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new Problem({
    class: 'input',
    where: { file: caFile },
    what: text === undefined ? 'the file named in acme.ca_file cannot be read' : 'the file named in acme.ca_file holds no certificate',
    fix: "write the path of a PEM file, relative to the project; the lab's is written by `provision lab up`",
  })
}

const readText = (path: string): string | undefined => {
  try {
    // Reading a named pipe would wait for ever.
    return statSync(path).isFile() ? readFileSync(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

const directoryProblem = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: `${JSON.stringify(directory)} is no ACME directory`,
    fix: 'write letsencrypt, letsencrypt-staging, or the https address of a directory',
  })

const twoWaysProblem = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: 'two hosts describe this account differently',
    why: 'an account has one contact and its directory one ca_file',
    fix: 'write acme.contact and acme.ca_file once, at the group that all balancers share',
  })

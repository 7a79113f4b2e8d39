import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Environment } from '../environment.ts'
import type { Declared } from '../keystore/declared.ts'
import type { AcmeAccount, AcmeOptions } from '../keystore/identities.ts'
import { lineOf, Problem } from '../problem.ts'
import { accountStore } from './account-store.ts'
import { directoryName, directoryUrl } from './directory.ts'
import { hookPublisher } from './dns/hook.ts'
import type { Publisher } from './dns/publish.ts'
import { updatePublisher } from './dns/update.ts'
import { readHistory, recordRequest } from './history.ts'
import { exceededLimit } from './limits.ts'
import { AuthorityUnreachable, authorityProblem } from './problem.ts'

/** An ACME account of the site at the directory with this URL. Loads acme-client, which is slow to load, only for the first order. */
export const openAccount = (
  root: string,
  env: Environment,
  url: string,
  options: AcmeOptions,
): Declared & { readonly account: AcmeAccount; readonly options: AcmeOptions } => {
  const directory = directoryName(url)
  const key = `acme-account:${directory}`
  if (options.caFile !== undefined) readAuthorities(root, options.caFile)
  const trial = options.tryFirst === undefined ? undefined : directoryUrl(options.tryFirst)
  if (options.tryFirst !== undefined && trial === undefined) throw directoryProblem(options.tryFirst)
  const store = accountStore(root, env, directory)
  let made = store.thumbprint()
  let unreachable: AuthorityUnreachable | undefined
  const get = (): string | undefined => {
    made ??= store.thumbprint()
    return made
  }
  return {
    account: { key, thumbprint: { later: `the thumbprint of ${key}`, get } },
    options,
    missing: () => (get() === undefined ? { key, action: 'create', reason: 'not created yet' } : undefined),
    make: () => store.make(),
    issue: async ({ request, names, profile }, doing) => {
      if (unreachable !== undefined) throw unreachable
      const limit = exceededLimit(directory, names, readHistory(root))
      if (limit !== undefined) throw authorityProblem(directory, limit)
      const { issueCertificate } = await import('./issue.ts')
      const note = (sent: Parameters<typeof recordRequest>[1]): void => {
        const problem = recordRequest(root, sent)
        if (problem !== undefined) doing(lineOf(problem))
      }
      const order = async (from: string, at: string): Promise<string> => {
        const chain = await issueCertificate({
          directory: from,
          url: at,
          ca: options.caFile === undefined ? undefined : readAuthorities(root, options.caFile),
          accountKey: (await store.key()).reveal(),
          contact: options.contact,
          externalAccount: at === url ? options.externalAccount : undefined,
          request,
          names,
          profile,
          publisher: publisherOf(root, options, from),
          doing,
          failed: (unverified) => note({ directory: from, names: unverified, outcome: 'failed' }),
        }).catch((error: unknown) => {
          if (error instanceof AuthorityUnreachable) unreachable = error
          throw error
        })
        note({ directory: from, names, outcome: 'issued' })
        return chain
      }
      if (trial !== undefined && !store.wasTried()) {
        doing(`testing the order at ${directoryName(trial)} first`)
        await order(directoryName(trial), trial)
        store.noteTried()
      }
      return order(directory, url)
    },
  }
}

/** The way to publish TXT records that the options select; undefined for HTTP-01. */
const publisherOf = (root: string, { dnsHook, dnsUpdate }: AcmeOptions, directory: string): Publisher | undefined => {
  if (dnsUpdate !== undefined) return updatePublisher(dnsUpdate, directory)
  if (dnsHook === undefined) return undefined
  const words = dnsHook.map((word) => (word.startsWith('./') ? resolve(root, word) : word))
  return hookPublisher(words, directory)
}

/** The problem of a directory that is neither a known name nor an https URL. */
export const directoryProblem = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: `${JSON.stringify(directory)} is not an ACME directory`,
    fix: 'set acme.directory to letsencrypt, letsencrypt-staging, or the https URL of a directory',
  })

const readAuthorities = (root: string, caFile: string): string => {
  const text = readText(resolve(root, caFile))
  if (text?.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new Problem({
    class: 'input',
    where: { file: caFile },
    what: text === undefined ? 'file of acme.ca_file cannot be read' : 'file of acme.ca_file contains no certificate',
    fix: 'set acme.ca_file to the path of a PEM file, relative to the project; provision lab up writes the one of the lab',
  })
}

const readText = (path: string): string | undefined => {
  try {
    // Reading a named pipe would block.
    return statSync(path).isFile() ? readFileSync(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

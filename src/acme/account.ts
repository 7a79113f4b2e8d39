import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Declared } from '../keystore/declared.ts'
import type { AcmeAccount, AcmeOptions } from '../keystore/identities.ts'
import { lineOf, Problem } from '../problem.ts'
import { accountStore } from './account-store.ts'
import { directoryName, directoryUrl } from './directory.ts'
import { noteAsked, readAsked } from './history.ts'
import { refusedAhead } from './limits.ts'
import { authorityProblem, Unreached } from './problem.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** An ACME account of the site at the directory with this address. acme-client, slow to load, comes only with the first order. */
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
  let unreached: Unreached | undefined
  const get = (): string | undefined => {
    made ??= store.thumbprint()
    return made
  }
  return {
    account: { key, thumbprint: { later: `the thumbprint of ${key}`, get } },
    options,
    missing: () => (get() === undefined ? { key, action: 'create', reason: 'the site has no account there yet' } : undefined),
    make: () => store.make(),
    issue: async ({ request, names }, doing) => {
      if (unreached !== undefined) throw unreached
      const foreseen = refusedAhead(directory, names, readAsked(root))
      if (foreseen !== undefined) throw authorityProblem(directory, foreseen)
      const { issueCertificate } = await import('./issue.ts')
      const note = (asked: Parameters<typeof noteAsked>[1]): void => {
        const unnoted = noteAsked(root, asked)
        if (unnoted !== undefined) doing(lineOf(unnoted))
      }
      const order = async (from: string, at: string): Promise<string> => {
        const chain = await issueCertificate({
          directory: from,
          url: at,
          ca: options.caFile === undefined ? undefined : readAuthorities(root, options.caFile),
          accountKey: (await store.key()).reveal(),
          contact: options.contact,
          request,
          names,
          dnsHook: options.dnsHook?.map((word) => (word.startsWith('./') ? resolve(root, word) : word)),
          doing,
          failed: (unverified) => note({ directory: from, names: unverified, outcome: 'failed' }),
        }).catch((error: unknown) => {
          if (error instanceof Unreached) unreached = error
          throw error
        })
        note({ directory: from, names, outcome: 'issued' })
        return chain
      }
      if (trial !== undefined && !store.wasTried()) {
        doing(`trying the order at ${directoryName(trial)} first`)
        await order(directoryName(trial), trial)
        store.noteTried()
      }
      return order(directory, url)
    },
  }
}

/** What is neither a name nor an https address. */
export const directoryProblem = (directory: string): Problem =>
  new Problem({
    class: 'input',
    where: { host: 'controller', resource: `acme-account:${directory}` },
    what: `${JSON.stringify(directory)} is no ACME directory`,
    fix: 'write letsencrypt, letsencrypt-staging, or the https address of a directory',
  })

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

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'

interface PackageFiles {
  /** Further fields, such as `Depends: other\n`. */
  readonly fields?: string
  /** Scripts of dpkg and lists, by name. */
  readonly control?: Readonly<Record<string, string>>
  /** Files of the package, by path without the first slash. */
  readonly files?: Readonly<Record<string, string>>
}

/** A signed repository of empty packages, served by this machine. */
export interface TestRepository {
  readonly url: (address: string) => string
  readonly fingerprint: string
  /** The armored public key. `other`: of a key that signs nothing. */
  key(which?: 'repo' | 'other'): string
  fingerprintOf(which: 'repo' | 'other'): string
  /** Adds a package, and signs the lists again. */
  add(name: string, version: string, more?: PackageFiles): void
  /** Paths that were requested. */
  readonly requests: readonly string[]
  close(): void
}

/** Makes a flat repository (`suites: ['./']`) at `url(address)`, its key at `url(address)key.asc`, and that of somebody else at `other.asc`. */
export const aptRepository = async (): Promise<TestRepository> => {
  const root = mkdtempSync(join(tmpdir(), 'apt-repository-'))
  const [home, files] = [join(root, 'gpg'), join(root, 'files')]
  mkdirSync(home, { mode: 0o700 })
  mkdirSync(files)
  const gpg = (...words: readonly string[]): string =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--yes', '--passphrase', '', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  for (const name of ['repo', 'other']) gpg('--quick-gen-key', `${name} <${name}@example.test>`, 'rsa2048', 'sign', 'never')
  const key = (which = 'repo'): string => gpg('--armor', '--export', `${which}@example.test`)
  const fingerprintOf = (which: string): string =>
    /^fpr:+([0-9A-F]+):/m.exec(gpg('--with-colons', '--list-keys', `${which}@example.test`))?.[1] ?? ''
  const packages: string[] = []
  const sign = (): void => {
    writeFileSync(join(files, 'Packages'), packages.join('\n'))
    const bytes = readFileSync(join(files, 'Packages'))
    const sum = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(
      join(files, 'Release'),
      `Origin: example.test\nLabel: example.test\nDate: ${new Date(Date.now() - 60_000).toUTCString()}\nSHA256:\n ${sum} ${bytes.length} Packages\n`,
    )
    gpg('--local-user', 'repo@example.test', '--clearsign', '-o', join(files, 'InRelease'), join(files, 'Release'))
  }
  sign()
  for (const which of ['repo', 'other'] as const) writeFileSync(join(files, which === 'repo' ? 'key.asc' : 'other.asc'), key(which))
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').replace(/^\/[^/]*\/(\.\/)?/, '')
    requests.push(path)
    try {
      response.end(readFileSync(join(files, path.replaceAll('..', ''))))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((listening) => server.listen(0, '0.0.0.0', listening))
  const { port } = server.address() as AddressInfo
  return {
    // The proxy of a lab keeps files by their path alone, so no two repositories have the same paths.
    url: (address) => `http://${address}:${port}/${basename(root)}/`,
    ...{ key, fingerprintOf, fingerprint: fingerprintOf('repo'), requests },
    add: (name, version, { fields: more = '', control = {}, files: content = {} } = {}) => {
      const build = join(root, `${name}_${version}`)
      mkdirSync(join(build, 'DEBIAN'), { recursive: true })
      const fields = `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: test <test@example.test>\nDescription: test\n${more}`
      writeFileSync(join(build, 'DEBIAN/control'), fields)
      for (const [path, text] of Object.entries(content)) {
        mkdirSync(dirname(join(build, path)), { recursive: true })
        writeFileSync(join(build, path), text)
      }
      for (const [script, text] of Object.entries(control))
        writeFileSync(join(build, 'DEBIAN', script), text, { mode: script === 'conffiles' || script === 'templates' ? 0o644 : 0o755 })
      const deb = `${name}_${version}.deb`
      execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', build, join(files, deb)], { stdio: 'ignore' })
      const sum = createHash('sha256')
        .update(readFileSync(join(files, deb)))
        .digest('hex')
      packages.push(`${fields}Filename: ./${deb}\nSize: ${statSync(join(files, deb)).size}\nSHA256: ${sum}\n`)
      sign()
    },
    close: () => {
      server.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A git repository, served by this machine without encryption, so that a checkout needs a full commit. */
export interface GitServer {
  url(address: string): string
  /** The directory of its files. */
  readonly directory: string
  /** Commits all files, and returns the commit. */
  commit(): string
  close(): void
}

// A process of its own answers while a test waits for a command.
const SERVER = `const { readFile } = require('node:fs')
const server = require('node:http').createServer(({ url }, response) =>
  readFile(process.argv[1] + new URL(url, 'http://localhost').pathname.replace('/repository.git', ''), (error, bytes) =>
    error ? response.writeHead(404).end() : response.end(bytes)))
server.listen(0, '0.0.0.0', () => console.log(server.address().port))`

/** Serves a repository whose first commit has the files of a directory. */
export const gitServer = async (files: string): Promise<GitServer> => {
  const directory = mkdtempSync(join(tmpdir(), 'git-server-'))
  cpSync(files, directory, { recursive: true })
  const git = (...words: readonly string[]): string =>
    execFileSync('git', ['-C', directory, '-c', 'user.name=test', '-c', 'user.email=test@example.test', ...words], { encoding: 'utf8' })
  git('init', '-q', '-b', 'main')
  const commit = (): string => {
    git('add', '-A')
    git('commit', '-q', '-m', 'change')
    git('update-server-info')
    return git('rev-parse', 'HEAD').trim()
  }
  const server = spawn(process.execPath, ['-e', SERVER, join(directory, '.git')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = String(await once(server.stdout, 'data')).trim()
  return {
    directory,
    commit,
    url: (address) => `http://${address}:${port}/repository.git`,
    close: () => {
      server.kill()
      rmSync(directory, { recursive: true })
    },
  }
}

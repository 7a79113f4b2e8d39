import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { completionScripts } from '../../../src/cli/completion/scripts.ts'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { root } from '../docs/pages.ts'
import { problemOf } from '../problem-of.ts'
import { project } from '../site/project.ts'
import { testContext } from './context.ts'

const FILES = {
  'inventory/hosts.yaml':
    'vars: { user: ops }\nhosts:\n  web-01: { address: 192.0.2.1 }\n  web-02: { address: 192.0.2.2 }\n  lb-01: { address: 192.0.2.3 }\ngroups:\n  web_servers: { hosts: [web-01, web-02] }\n',
  'playbooks/site.yaml': '- hosts: all\n  roles: [mine]\n',
  'roles/mine/role.yaml': 'summary: of the project\nresources: [file: { path: /etc/x, content: x }]\n',
}

const complete = async (line: string, shell = 'bash', files: Readonly<Record<string, string>> = FILES): Promise<readonly string[]> => {
  const context = testContext({ directory: project(files) })
  expect(await dispatch(['completion', shell, '--line', line], context)).toBe(0)
  expect(context.output.err).toBe('')
  return context.output.out.split('\n').slice(0, -1)
}

test.each([
  ['provision inv', ['inventory']],
  ['provision run --dr', ['--dry-run']],
  ['provision run --dry-run --dr', []],
  ['provision run --limit web-', ['web-01', 'web-02']],
  ['provision run -l web', ['web-01', 'web-02', 'web_servers']],
  ['provision run --limit=al', ['all']],
  ['provision run --limit=web_servers:!web-02', ['!web-02']],
  ['provision run --role mi', ['mine']],
  ['provision run --output j', ['json']],
  ['provision run --limit web-01 playbooks/', ['playbooks/site.yaml']],
  ['provision exec web-01 --sudo -- up', []],
  ['provision apply web-01 sysc', ['sysctl']],
  ['provision apply syst', []],
  ['provision inventory h', ['host']],
  ['provision inventory host lb', ['lb-01']],
  ['provision lab s', ['status', 'ssh-config', 'ssh']],
  ['provision lab ssh web-0', ['web-01', 'web-02']],
  ['provision roles ngi', ['nginx']],
  ['provision kinds author', ['authorized-keys']],
  ['provision completion z', ['zsh']],
  ['provision deploy ', []],
])(
  '%j is continued',
  async (line, words) => {
    expect(await complete(line)).toEqual(words)
  },
  60_000,
)

test('commands follow the name of the program', async () => {
  expect(await complete('provision ')).toEqual(Object.keys(commands))
})

test('zsh and fish get a line about each word', async () => {
  expect(await complete('provision facts web_', 'zsh')).toEqual(['web_servers:group of 2'])
  expect(await complete('provision facts lb-01:web_', 'zsh')).toEqual(['lb-01\\:web_servers:group of 2'])
  expect(await complete('provision facts web_', 'fish')).toEqual(['web_servers\tgroup of 2'])
})

test('an inventory with errors has no words, and completion reports nothing', async () => {
  expect(await complete('provision facts ', 'bash', { 'inventory/hosts.yaml': 'hosts: [' })).toEqual([])
})

test('an unknown shell has a suggestion', async () => {
  const { what, fix } = await problemOf(dispatch(['completion', 'bsh'], testContext()))
  expect([what, fix]).toEqual(['unknown shell bsh', 'did you mean `bash`?'])
})

/** A project with the program `provision`, and the completion script of a shell. */
const installed = (shell: keyof typeof completionScripts): string => {
  const directory = project(FILES)
  const program = join(directory, 'provision')
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'src/main.ts')}' "$@"\n`)
  chmodSync(program, 0o755)
  writeFileSync(join(directory, 'script'), completionScripts[shell])
  return directory
}

const has = (shell: string): boolean => spawnSync(shell, ['-c', ':']).status === 0

const inShell = (shell: string, directory: string, script: string): readonly string[] => {
  const { stdout, stderr } = spawnSync(shell, ['-c', script], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 50_000,
    env: { PATH: `${directory}:${process.env.PATH}`, HOME: directory },
  })
  expect(stderr).toBe('')
  return stdout.trimEnd().split('\n')
}

test.skipIf(!has('bash'))(
  'bash completes hosts, options and roles',
  () => {
    const directory = installed('bash')
    const script = `source ./script; complete -p provision
    at() { COMP_LINE=$1 COMP_POINT=\${#1}; read -ra COMP_WORDS <<<"$1"; _provision; printf '%s\\n' "\${COMPREPLY[@]}"; }
    at 'provision exec lb'; at 'provision run --dr'; at 'provision run --role=min'`
    expect(inShell('bash', directory, script)).toEqual(['complete -o default -F _provision provision', ...['lb-01', '--dry-run', 'mine']])
  },
  60_000,
)

test.skipIf(!has('fish'))(
  'fish completes hosts, options and roles',
  () => {
    const script = `source ./script; for line in 'exec lb' 'run --dr' 'run --role min'; complete -C "provision $line"; end`
    expect(inShell('fish', installed('fish'), script).map((line) => line.split('\t')[0])).toEqual(['lb-01', '--dry-run', 'mine'])
  },
  60_000,
)

test.skipIf(!has('zsh'))(
  'zsh completes hosts, options and roles',
  () => {
    const script = `zmodload zsh/zpty
    at() {
      zpty shell zsh -f -i; zpty -w shell 'PS1=; autoload -Uz compinit; compinit -u -D; source ./script; print READ""Y'
      zpty -r -m shell start '*READY*'; zpty -w -n shell "provision $1"$'\\t'; zpty -r -m shell found "*$2*"; print -- $2; zpty -d shell
    }
    at 'exec lb' lb-01; at 'run --dr' --dry-run; at 'run --role min' mine`
    // A word that is not completed is awaited until the time limit.
    expect(inShell('zsh', installed('zsh'), script)).toEqual(['lb-01', '--dry-run', 'mine'])
  },
  60_000,
)

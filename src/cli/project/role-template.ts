/** The files of a new package with one role, by path. `name`: of the package; `role`: of its role; `version`: of provision. */
export const roleTemplate = ({
  name,
  role,
  version,
}: Readonly<Record<'name' | 'role' | 'version', string>>): Readonly<Record<string, string>> => ({
  'package.json': `${JSON.stringify(manifest(name, role, version), null, 2)}\n`,
  'tsconfig.json': `${JSON.stringify({ compilerOptions: COMPILER, include: ['src'] }, null, 2)}\n`,
  '.gitignore': 'node_modules/\ndist/\n',
  'README.md': readme(name, role),
  'src/role.ts': source(role),
  'files/greeting': 'This file comes from the package.\n',
  'test/role.test.ts': test(role),
})

const manifest = (name: string, role: string, version: string): object => ({
  name,
  version: '0.1.0',
  description: `role ${role} for provision`,
  type: 'module',
  files: ['dist', 'files'],
  scripts: { build: 'tsc', test: 'node --test', prepack: 'npm run build' },
  provision: { roles: { [role]: './dist/role.js' } },
  // The registry of npm has another program of this name, so npm must not install it by itself.
  peerDependencies: { provision: `>=${version}` },
  peerDependenciesMeta: { provision: { optional: true } },
  devDependencies: { '@types/node': '^24.0.0', typescript: '^7.0.0' },
})

const COMPILER = {
  ...{ module: 'nodenext', target: 'es2024', lib: ['es2024'], types: ['node'], strict: true, skipLibCheck: true },
  // Node runs the test without a build, so imports name .ts files, and the syntax is one that it can erase.
  ...{ rewriteRelativeImportExtensions: true, erasableSyntaxOnly: true, verbatimModuleSyntax: true },
  ...{ rootDir: 'src', outDir: 'dist', declaration: true },
}

const source = (role: string): string => `import { defineRole, file, projectFile, z } from 'provision'

export default defineRole({
  name: '${role}',
  summary: 'writes two files',
  options: z.strictObject({
    text: z.string().default('hello').meta({ description: 'text of the second file', examples: ['hello'] }),
  }),
  resources: (context) => [
    file({ path: '/etc/${role}-greeting', content: projectFile(context, './files/greeting', 'install the package again') }),
    file({ path: '/etc/${role}', content: \`\${context.options.text}\\n\` }),
  ],
})
`

const test = (role: string): string => `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRole } from 'provision/testing'
import role from '../src/role.ts'

const files = { './files/greeting': 'greeting\\n' }

test('a bare host gets both files', () => {
  const { changes } = planRole(role, { options: { text: 'good morning' }, files })
  assert.deepEqual(
    changes.map(({ action, resource, text }) => [action, resource, text]),
    [
      ['create', 'file:/etc/${role}-greeting', 'greeting\\n'],
      ['create', 'file:/etc/${role}', 'good morning\\n'],
    ],
  )
})

test('a misspelt option is an error', () => {
  assert.throws(() => planRole(role, { options: { txt: 'x' }, files }), /txt/)
})
`

const readme = (name: string, role: string): string => `# ${name}

The role \`${role}\` for provision: it writes two files.

\`\`\`sh
npm install ${name}
\`\`\`

\`\`\`yaml
# playbooks/site.yaml
- hosts: all
  roles: [${JSON.stringify(name)}]

# inventory/production.yaml
vars:
  ${JSON.stringify(name)}: { text: hello }
\`\`\`

## Development

\`\`\`sh
npm install --save-dev CHECKOUT/provision-VERSION.tgz   # npm pack in the checkout of provision makes this file
npm test                                                # plans the role, without a host
npm publish                                             # builds dist/ first
\`\`\`
`

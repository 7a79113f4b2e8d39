import { commandLine, quote } from '../shell/quote.ts'
import { inOneLine } from './line.ts'

/** Returns configuration for cron, GitLab and GitHub. The two keys are files from the secret store of the CI. */
export const recipes = (run: readonly string[], root: string): string => {
  for (const argument of [root, ...run]) inOneLine(argument)
  return `# cron (crontab -e); both keys are files of mode 600
17 4,16 * * *  sleep $(shuf -i 0-7200 -n 1); cd ${inCrontab(quote(root))} && PROVISION_AGE_KEY_FILE=KEYS/age.txt npx ${inCrontab(commandLine(...withKey(run, 'KEYS/id_ed25519')))}

# GitLab (.gitlab-ci.yml); needs two file variables and a pipeline schedule, twice a day
renew-certificates:
  rules: [{ if: '$CI_PIPELINE_SOURCE == "schedule"' }]
  image: node:24
  script:
    - npm ci
    - chmod 600 "$PROVISION_AGE_KEY_FILE" "$PROVISION_SSH_KEY_FILE"
    - ${inYaml(`npx ${quotedButLast(withKey(run, '"$PROVISION_SSH_KEY_FILE"'))}`)}

# GitHub (.github/workflows/renew.yml); needs two secrets
on: { schedule: [{ cron: '17 4,16 * * *' }] }
jobs:
  renew:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 24 }
      - run: |
          npm ci
          umask 077
          printf '%s\\n' "$AGE_KEY" >"$RUNNER_TEMP/age.txt"
          printf '%s\\n' "$SSH_KEY" >"$RUNNER_TEMP/id_ed25519"
          PROVISION_AGE_KEY_FILE="$RUNNER_TEMP/age.txt" npx ${literal(quotedButLast(withKey(run, '"$RUNNER_TEMP/id_ed25519"')))}
        env:
          AGE_KEY: \${{ secrets.PROVISION_AGE_KEY }}
          SSH_KEY: \${{ secrets.PROVISION_SSH_KEY }}
`
}

/** cron reads an unescaped percent sign as a line break, see crontab(5). */
const inCrontab = (words: string): string => words.replaceAll('%', '\\%')

const inYaml = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** Splits `${{`, because GitHub replaces `${{ … }}` before the shell runs. The text is in single quotes, which can be closed and reopened. */
const literal = (words: string): string => words.replaceAll('${{', () => "$''{{")

const withKey = (run: readonly string[], key: string): readonly string[] => ['provision', ...run, '--key', key]

/** Quotes all words but the last one, which is shell syntax. */
const quotedButLast = (words: readonly string[]): string => `${commandLine(...words.slice(0, -1))} ${words.at(-1)}`

// A host with a checkout of one of two commits, from a repository that it serves itself. A file that git does not track is beside them.
import { command, defineRole, directory, file, git, pkg, service, unit, user, z } from 'provision'

/** The script makes the same commits on every host. */
const ORIGIN = `export HOME=/nonexistent GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
rm -rf /srv/origin/new /srv/origin/shop; mkdir /srv/origin/new; cd /srv/origin/new
git init -q -b main .
for state in a b; do
  echo "$state" >page; echo same >same; echo "$state" >"only-$state"
  [ "$state" = a ] || git rm -q only-a
  git add -A; git commit -qm "$state"
done
sync; mv -T /srv/origin/new /srv/origin/shop`

const COMMITS = { a: '1b6514185e27281e843b2c8e57102b12f18ae105', b: 'b3ef0168da83d88383f7356d48871bb408874902' }

const SERVER = `[Service]
User=nobody
Environment=GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
ExecStart=/usr/bin/git daemon --listen=127.0.0.1 --export-all --base-path=/srv/origin /srv/origin
[Install]
WantedBy=multi-user.target
`

export const CHECKOUT = '/srv/checkout'

export default defineRole({
  name: 'checkout',
  summary: 'a checkout of one of two commits',
  options: z.strictObject({ state: z.enum(['a', 'b']) }),

  resources: ({ options: { state } }) => {
    const server = unit({ name: 'faults-git.service', content: SERVER })
    return [
      pkg({ name: 'git' }),
      user({ name: 'keeper', uid: 2001 }),
      directory({ path: '/srv/origin' }),
      command({ name: 'origin', run: ORIGIN, creates: '/srv/origin/shop' }),
      server,
      service({ unit: 'faults-git.service', restarts: [server] }),
      directory({ path: CHECKOUT, owner: 'keeper', group: 'keeper' }),
      file({ path: `${CHECKOUT}/untracked`, content: `${state}\n`, owner: 'keeper' }),
      git({ path: CHECKOUT, repository: 'git://127.0.0.1/shop', ref: COMMITS[state], user: 'keeper' }),
    ]
  },
})

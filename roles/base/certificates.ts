import { authorizedKeys, directory, file, type Resource, z } from 'provision'
import { accountName, type Fault, faultsIn, HEAD } from './part.ts'

export const certificatesOption = z
  .strictObject({
    authorities: z
      .array(z.string().regex(/^(ssh-|sk-)/, 'must be a public key of Ed25519 or RSA, without options before it'))
      .min(1)
      .meta({ description: 'public keys of the authorities that sign keys of people', examples: [['ssh-ed25519 AAAA… ca@example.org']] }),
    principals: z
      .record(accountName, z.array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.@-]*$/, 'must be one word')).min(1))
      .default({})
      .meta({
        description: 'principals of a certificate that open an account, by account. Default: the name of each administrator',
        examples: [{ deploy: ['ci', 'operators'] }],
      }),
  })
  .optional()
  .meta({ description: 'login with certificates, beside keys' })

type Certificates = z.output<typeof certificatesOption>

export interface Person {
  readonly name: string
  readonly state: 'present' | 'absent'
}

const [AUTHORITIES, PRINCIPALS] = ['/etc/ssh/provision-authorities.pub', '/etc/ssh/provision-principals']
/** File with the principals of an account. */
export const principalsOf = (name: string): string => `${PRINCIPALS}/${name}`

/** Settings of sshd. An account without a file of principals accepts no certificate. */
export const certificateSettings = (given: Certificates): Readonly<Record<string, string>> =>
  given === undefined ? {} : { TrustedUserCAKeys: AUTHORITIES, AuthorizedPrincipalsFile: `${PRINCIPALS}/%u` }

/** The files that the settings name. They come before the settings, because sshd reads them for each login. */
export const certificateFiles = (given: Certificates, people: readonly Person[]): readonly Resource[] => {
  if (given === undefined) return []
  const own = people.filter(({ state }) => state === 'present').map(({ name }) => [name, [name]] as const)
  const all = new Map<string, readonly string[]>([...own, ...Object.entries(given.principals)])
  return [
    file({ path: AUTHORITIES, content: `${HEAD}${given.authorities.map((key) => `${key}\n`).join('')}` }),
    directory({ path: PRINCIPALS }),
    ...[...all].map(([name, words]) => file({ path: principalsOf(name), content: `${HEAD}${words.map((word) => `${word}\n`).join('')}` })),
  ]
}

/** Deletes the authorities, once sshd no longer trusts them. */
export const certificateLeftovers = (given: Certificates): readonly Resource[] =>
  given === undefined ? [file({ path: AUTHORITIES, state: 'absent' })] : []

export const certificateFaults = (given: Certificates, people: readonly Person[]): readonly Fault[] =>
  given === undefined
    ? []
    : [
        ...faultsIn(
          authorizedKeys.kind.schema,
          { user: 'ca', keys: given.authorities },
          (path) => ['ssh', 'certificates', 'authorities', ...path.slice(1)],
          'copy the whole line of the .pub file of the authority',
        ),
        ...Object.keys(given.principals).flatMap((name) =>
          people.some((one) => one.name === name && one.state === 'absent')
            ? [{ path: ['ssh', 'certificates', 'principals', name], what: `${name} is an absent account`, fix: 'remove its principals' }]
            : [],
        ),
      ]

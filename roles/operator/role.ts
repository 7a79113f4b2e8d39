import { authorizedKeys, defineRole, file, pkg, user, z } from 'provision'

const options = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'must be a user name')
    .default('ops')
    .meta({ description: 'the account that provision logs in as from then on' }),
  keys: z
    .array(z.string())
    .min(1)
    .meta({ description: 'its public keys, lines as in ~/.ssh/id_ed25519.pub', examples: [['ssh-ed25519 AAAA… you@laptop']] }),
  exclusive: z.boolean().default(false).meta({ description: 'whether keys that others gave the account go' }),
  groups: z.array(z.string()).default([]).meta({ description: 'groups to belong to besides its own' }),
  shell: z.string().default('/bin/bash'),
  sudo: z.enum(['nopasswd', 'none']).default('nopasswd').meta({ description: '`nopasswd`: may do everything as root, as provision must' }),
})

/** The account you work with, on servers that only let root in. */
export default defineRole({
  name: 'operator',
  summary: 'an account of your own, with your keys and sudo',
  options,

  resources: ({ options: { name, keys, exclusive, groups, shell, sudo } }) => {
    const rights = { path: `/etc/sudoers.d/provision-${name}`, mode: '440' } as const
    return [
      pkg({ name: 'sudo' }),
      user({ name, groups, shell, password: 'locked' }),
      authorizedKeys({ user: name, keys, exclusive }),
      sudo === 'nopasswd'
        ? file({
            ...rights,
            content: `# Written by provision (role operator).\n${name} ALL=(ALL:ALL) NOPASSWD: ALL\n`,
          })
        : file({ ...rights, state: 'absent' }),
    ]
  },

  verify: ({ options: { name, sudo } }) => [
    {
      name: `${name} may log in by key and ${sudo === 'nopasswd' ? 'become root' : 'may not become root'}`,
      script:
        sudo === 'nopasswd'
          ? `setpriv --reuid ${name} --clear-groups sudo -n true`
          : `! setpriv --reuid ${name} --clear-groups sudo -n true 2>/dev/null`,
    },
  ],
})

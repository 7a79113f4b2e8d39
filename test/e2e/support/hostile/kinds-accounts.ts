import { authorizedKeys } from '../../../../src/resource/account/authorized-keys.ts'
import { user } from '../../../../src/resource/account/user.ts'
import { command } from '../../../../src/resource/control/command.ts'
import { script } from '../../../../src/resource/control/script.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C ann'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS bob'
const HOME = '/home/den'

const keyPlaces = (at: string): readonly Place[] => [
  { path: `${at}/.ssh/authorized_keys`, holds: 'file', parent: true },
  { path: `${at}/.ssh`, holds: 'directory', parent: false },
  { path: `${at}/.ssh/.authorized_keys.provision`, holds: 'file', parent: false },
]
const keys = {
  kinds: ['authorized-keys'],
  home: HOME,
  places: keyPlaces,
  lay: `umask 077; mkdir -p .ssh; echo '# mine' >>.ssh/authorized_keys`,
  clear: 'rm -f /var/lib/provision/authorized-keys/mallory',
}
const chosen = (round: number): readonly string[] => (round % 2 === 0 ? [KEY] : [OTHER])

export const ACCOUNT_TARGETS: readonly Target[] = [
  {
    ...keys,
    name: 'authorized-keys',
    resources: (_, round) => [authorizedKeys({ user: 'mallory', keys: [...chosen(round)] })],
  },
  {
    ...keys,
    name: 'authorized-keys, exclusive',
    resources: (_, round) => [authorizedKeys({ user: 'mallory', keys: [...chosen(round)], exclusive: true })],
  },
  {
    ...keys,
    name: 'authorized-keys, taken back',
    resources: (_, round) => [authorizedKeys({ user: 'mallory', keys: round % 2 === 0 ? [] : [KEY] })],
    before: () => [authorizedKeys({ user: 'mallory', keys: [KEY] })],
  },
  {
    name: 'user with a home there',
    kinds: ['user'],
    places: (at) => [{ path: `${at}/it`, holds: 'directory', parent: true }],
    resources: (at, round) => [user({ name: `eve${round}`, home: `${at}/it` })],
    clear: 'for u in $(getent passwd | sed -n "s/^\\(eve[0-9]*\\):.*/\\1/p"); do userdel $u; done',
    mayChange: /^\/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-?$|^\/etc\/\.pwd\.lock$|^\/etc$/,
  },
  {
    name: 'command, creates',
    kinds: ['command'],
    places: (at) => [{ path: `${at}/it`, holds: 'file', parent: true }],
    resources: (at) => [command({ name: 'hostile', run: 'true', creates: `${at}/it` })],
    staysDue: true,
  },
  {
    name: 'script, creates',
    kinds: ['script'],
    places: (at) => [{ path: `${at}/it`, holds: 'file', parent: true }],
    resources: (at) => [script({ name: 'hostile', content: '#!/bin/true', creates: `${at}/it` })],
    staysDue: true,
  },
]

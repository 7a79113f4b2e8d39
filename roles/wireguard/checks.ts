import { type Check, type SiteContext, sh } from 'provision'
import { membersOf } from './members.ts'
import type { Options } from './options.ts'

/** Checks of `provision verify`: the interface, and a packet to each other member and back. */
export const checksOf = ({ options: given, host, site }: SiteContext<Options>): readonly Check[] => {
  const members = membersOf(given, site)
  const { address = '' } = members.find((one) => one.host === host.name) ?? {}
  const { interface: name } = given
  const up = `${name} has its address`
  const units = ['provision-wireguard.service']
  return [
    {
      name: up,
      units,
      script: sh`found=$(ip -o address show dev ${name}) || exit 1
case $found in *" "${address}"/"*) ;; *) echo ${`${name} does not have the address ${address}`}; exit 1 ;; esac`,
    },
    ...members
      .filter((one) => one.host !== host.name)
      .map((other) => ({
        name: `${other.host} answers through the mesh`,
        units,
        follows: up,
        // The first packet can be lost while the two hosts agree on a session.
        script: sh`for i in 1 2 3 4 5; do ! ping -n -q -c 1 -W 2 -I ${name} ${other.address ?? ''} >/dev/null 2>&1 || exit 0; done
echo ${`${other.host} does not answer at ${other.address}`}; wg show ${name} latest-handshakes; exit 1`,
        fix: `check that UDP port ${given.port} of ${other.endpoint} can be reached from ${host.name}, also in firewalls of the provider`,
      })),
  ]
}

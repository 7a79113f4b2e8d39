import { type Facts, type Flow, overlap, Problem } from 'provision'
import { networksOf, type Sets } from './networks.ts'

/** Refuses a role whose port sshd uses, because its peers would reach sshd. The port in the inventory is checked elsewhere. */
export const refuseSharing = (flows: readonly Flow[], { sshPorts }: Facts): void => {
  const taken = flows.find(({ port, protocol }) => protocol === 'tcp' && sshPorts.includes(port))
  if (taken === undefined) return
  throw new Problem({
    class: 'input',
    where: { host: taken.host, role: taken.role },
    what: `port ${taken.port}/tcp for ${taken.service} is in use by sshd`,
    fix: `choose another port for one of the two, or remove the role from ${taken.host}`,
  })
}

/** Refuses rules that certainly shut out the account of the run. */
export const refuseLockout = (
  { deny, sets }: { readonly deny: readonly string[]; readonly sets: Sets },
  { clientAddress }: Facts,
  host: string,
): void => {
  const found = deny
    .flatMap((word) => networksOf([word], sets).map((network) => ({ word, network })))
    .find(({ network }) => clientAddress !== '' && overlap(network, clientAddress))
  if (found === undefined) return
  const { word, network } = found
  throw new Problem({
    class: 'input',
    where: { host, role: 'firewall' },
    what: `firewall.deny contains ${network === clientAddress ? '' : `${clientAddress} in `}${network === word ? '' : `${word}: `}${network}, from which this run connects`,
    why: 'the rules would shut out the controller',
    fix: `remove ${word} from firewall.deny, or write smaller networks`,
  })
}

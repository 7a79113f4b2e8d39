import { z } from 'zod'

/** An option that is an address or a network: `203.0.113.7`, `192.0.2.0/24`, `2001:db8::/32`. */
export const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], {
  error: 'must be an IP address or a network such as 192.0.2.0/24',
})

import type { Facts } from 'provision'

type Release = Pick<Facts, 'distribution' | 'release'>

/** Differences between the packages of the supported releases. */
export const capabilitiesOf = ({ distribution, release }: Release) => {
  // A release under development has no number.
  const isSince = (debian: number, ubuntu: number) => release === '' || Number(release) >= { debian, ubuntu }[distribution]
  return {
    /** Types of receivers that Alertmanager lacks: Ubuntu 22.04 has 0.23, Debian 12 has 0.25, Ubuntu 24.04 has 0.26, Debian 13 has 0.28. */
    missingReceivers: [...(isSince(12, 24.04) ? [] : ['discord', 'telegram']), ...(isSince(13, 26.04) ? [] : ['teams'])],
    /** Alertmanager has times of other zones than UTC (0.25): Ubuntu 22.04 has 0.23. */
    hasTimeZones: isSince(12, 24.04),
    /** Prometheus can keep an alert firing (2.42): Ubuntu 22.04 has 2.31. */
    keepsFiring: isSince(12, 24.04),
    /** nginx has the directive `http2` and warns about the parameter of `listen` (1.25.1): Debian 12 has 1.22, Ubuntu 24.04 has 1.24. */
    hasHttp2Directive: isSince(13, 24.1),
  }
}

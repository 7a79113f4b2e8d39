/**
 * Where jobs of a host leave measurements for monitoring to show: each has a directory of its own in it, with files `NAME.prom` in the
 * form of Prometheus. A job as root writes into one of root, any other into one of its own account: nobody writes into another's.
 */
export const METRICS = '/var/lib/provision-metrics'

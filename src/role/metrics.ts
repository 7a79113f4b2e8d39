/**
 * Directory for measurements of jobs, which monitoring shows. Each job has its own directory in it, with files `NAME.prom` in the text
 * format of Prometheus. Root owns this directory, so no account can replace the directory of another.
 */
export const METRICS = '/var/lib/provision-metrics'

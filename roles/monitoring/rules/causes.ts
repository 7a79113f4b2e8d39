/** Causes, and their effects on the same host, which are not sent while the cause fires. */
export const CAUSES: readonly (readonly [cause: string, effects: string])[] = [
  ['HostDown', '.+'],
  ['AgentDown', 'ExporterDown|ChecksStale'],
  ['NginxDown', 'WebServerDown|BackendServerDown|UnitFailed|ExporterDown'],
  ['HaproxyDown', 'SiteDown|UnitFailed|ExporterDown|QpsCollapse'],
  ['MysqlDown', 'Replica.+|Galera.+|UnitFailed|ExporterDown|DatabaseConnections'],
  ['PostgresqlDown', 'PostgresqlReplicaStopped|UnitFailed|ExporterDown'],
  ['ArbitratorDown', 'UnitFailed'],
  ['RestoreTestFailed|BackupTimerStopped', 'BackupTooOld|BackupMissing'],
  ['FileBackupTimerStopped', 'FileBackupMissing'],
  ['SiteDown', 'SiteSlow|VisitorsWait|ErrorRatio|QpsCollapse'],
  ['WebServerDown', 'BackendServerDown'],
  ['DiskFull', 'DiskFillsUp|UnitFailed'],
  ['CertificateExpired', 'CertificateNotRenewed'],
]

/** Alerts about a whole site, which alerts about its hosts can explain. */
export const SYMPTOMS = ['SiteDown', 'ErrorRatio', 'QpsCollapse', 'SiteSlow', 'VisitorsWait', 'ServersSlow', 'BackendServerDown']

/** Alerts about hosts that can explain those about a site, the most likely first. */
export const EXPLANATIONS = [
  'HostDown',
  'HaproxyDown',
  'NginxDown',
  'MysqlDown',
  'PostgresqlDown',
  'GaleraNotReady',
  'WebServerDown',
  'WritersWrong',
  'DiskFull',
]

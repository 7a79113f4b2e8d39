/**
 * Instructions for each alert. Each message and the dashboard show them, and the README repeats them. HOST and UNIT are the
 * labels of the alert.
 */
export const RUNBOOKS: Readonly<Record<string, string>> = {
  Watchdog:
    'This alert always fires, and goes to `heartbeat` only. If the operator of the heartbeat service reports that the calls stopped, the monitoring server or its internet connection is down. Log in there and run `systemctl status prometheus prometheus-alertmanager`.',
  CheckFailed:
    'A check of the option `checks` fails. `journalctl -u provision-check-NAME -n 20` on the host shows what it printed to stderr, and `systemctl start provision-check-NAME` runs it again.',
  CheckStale:
    'A check of the option `checks` has not run in time. Run `systemctl status provision-check-NAME.timer provision-check-NAME.service` on the host. The account of the option `user` must exist there.',
  HostDiffers:
    'A dry run of the watch would change this host: somebody changed it by hand, or the project has changes that were not applied. `provision run --dry-run --limit HOST` shows the difference. If it is intended, write it into the inventory; otherwise `provision run --limit HOST` corrects it. The alert ends at the next comparison: `provision schedule watch` makes one now.',
  WatchIncomplete:
    'The watch could not compare this host with the playbook. `provision schedule status` on the machine of the watch shows the reason. `provision run --dry-run --limit HOST` shows it too.',
  WatchStale:
    'The hosts have not been compared with the playbook in time. Run `provision schedule status` in the project, on the machine of the watch. If the watch was removed there, delete its file in `/var/lib/provision-metrics/watch` on the monitoring servers.',
  TargetDown:
    'An exporter outside the site cannot be read. Request its address from the monitoring server with `curl`, and compare its password or token with the option `targets`.',
  RemoteWriteBehind:
    'A store of the option `remote_write` does not take measurements. `journalctl -u prometheus -n 50` on the monitoring server shows its answer. Prometheus keeps what it could not send for two hours.',
  ServiceDown:
    'A service of the option `probes` does not answer as the option expects. Connect to it from the monitoring server. Check its host, the firewall between them, and its certificate.',
  HostDown:
    "The host answers neither pings nor the monitoring. Check it on its provider's console, which also offers a reboot. Other alerts about this host are held back until it answers. Balancers send no requests to it meanwhile. Its services start after a reboot; if one does not, run `provision run --limit HOST`.",
  AgentDown:
    'The host is up, but its measurements cannot be read. Run `systemctl status prometheus-exporter-exporter prometheus-node-exporter` there, then `provision run --limit HOST --role monitoring`, which also renews an expired certificate.',
  ExporterDown:
    'The measurements of one service cannot be read. Run `systemctl status` for its exporter on that host, then `provision run --limit HOST --role monitoring`.',
  SiteDown:
    "Visitors get no answer. The message names the parts that are down: start with them. If it names none, check the balancer (`echo 'show servers state' | socat - /run/provision-haproxy/admin.sock` there), the application, and the network. `provision verify` checks every part.",
  HaproxyDown:
    'Run `systemctl status haproxy` and `journalctl -u haproxy -n 50` on the balancer. `provision run --limit HOST` restores its configuration and starts it. With a single balancer, the site is down.',
  NginxDown:
    'Run `systemctl status nginx` and `journalctl -u nginx -n 50` on the host. `provision run --limit HOST` starts it. If no other web server serves its sites, SiteDown fires too.',
  WebServerDown:
    'A direct request to the host failed. If NginxDown fires too, follow its runbook first. Otherwise run `tail /var/log/nginx/error.log` there, and check the application behind it. `provision run --limit HOST` renews its certificates.',
  BackendServerDown:
    "A server fails the balancers' health checks of the named section. Check the application of that site, its `/healthz`, and the network between them. A server that a run drains does not raise this alert.",
  SiteSlow:
    'The charts of the dashboard show where the time goes: DNS, connect, TLS, the servers, or the transfer. Check ServersSlow, and CPU and disk of the hosts by component.',
  VisitorsWait:
    "5% of responses are slow, according to the balancer's log of every request; the probes may miss it. ServersSlow names a single slow web server; `journalctl -t haproxy` shows the slow pages.",
  ServersSlow:
    'One web server, or the application on it, answers slowly. Compare it with the others, and check which component uses its CPU and disk.',
  ErrorRatio:
    "Some responses are server errors. `journalctl -t haproxy | grep -v ' 200 '` on a balancer shows the server and the path. If the errors began with a deployment, run `provision run playbooks/rollback-web.yaml`.",
  QpsCollapse:
    'Far fewer requests arrive than usual. Check that the DNS name still points here, that the certificate is valid, and that a page loads completely. A public holiday is a harmless cause.',
  QpsSurge:
    'Far more requests arrive than usual, from visitors or an attack. `journalctl -t haproxy` shows the clients. The option `rate_limit` of haproxy-tls limits single addresses.',
  BalancerFull:
    'The balancer is close to its connection limit. Set `rate_limit` against an attack. Otherwise add a balancer, or raise `maxconn` in `extra.global`.',
  MysqlDown:
    'Run `systemctl status mariadb` and `journalctl -u mariadb -n 50` on the host (`mysql` with that flavour). Check for a full disk (DiskFull) and for a kill by the kernel (OomKill). `provision run --limit HOST` starts it. A cluster works as long as most of its members do. Without a primary, replicas accept no writes.',
  PostgresqlDown:
    "Run `systemctl status 'postgresql@*'` and `journalctl -u 'postgresql@*' -n 50` on the host. Check for a full disk (DiskFull) and for a kill by the kernel (OomKill). After a crash the server repeats its log before it accepts connections. `provision run --limit HOST` starts it.",
  PostgresqlReplicaStopped:
    "The replica whose host the slot is named after no longer follows. Run `journalctl -u 'postgresql@*' -n 50` there; `provision run --limit HOST` starts it. New data exists on one host only until this is fixed.",
  ReplicaStopped:
    "The replica no longer replicates. `sudo mariadb -E -e 'SHOW SLAVE STATUS'` (`sudo mysql -E -e 'SHOW REPLICA STATUS'` with that flavour) there shows the reason. New data exists on one host only until this is fixed.",
  ReplicaLags: 'The replica is behind its primary, because of long writes or a busy host. Readers get older data.',
  WritersWrong:
    'Exactly one database must accept writes. If two do, stop all writes at once, and find the one with the newest data. If none does although all run, `systemctl status provision-database-primary` on the primary shows why it does not enable writes after a restart. Otherwise a run was interrupted, or somebody made the primary read-only; `provision run` repairs both.',
  GaleraNotReady:
    'This member lost contact with the others and refuses queries. Check the network between the members. If two of three are down, start them again.',
  GaleraDegraded:
    "A member is missing, but none is known to be down: it has not joined, the others cannot reach it, or its service was removed. The cluster works; with two members left, it cannot lose another one. Run `journalctl -u mariadb -n 50` on the member that is not synced (`SHOW STATUS LIKE 'wsrep_%'`), and `journalctl -u garb` on the arbitrator.",
  ArbitratorDown:
    'The vote of the arbitrator is missing: of two database servers, neither may fail now, or the other stops as well. Run `systemctl status garb` and `journalctl -u garb -n 50` there; `provision run --limit HOST` starts it.',
  DatabaseConnections:
    "The database is close to its connection limit: an application leaks connections, or long queries pile up (`sudo mariadb -e 'SHOW PROCESSLIST'`).",
  BackupTooOld: 'The last good backup is too old. Check the journal of the backup unit on that host, and the disk that it writes to.',
  BackupMissing:
    'Backups are configured, but none has succeeded yet. `systemctl list-timers provision-database-backup.timer` there shows the next one, `journalctl -u provision-database-backup -n 20` why the last one failed. `systemctl start provision-database-backup` makes one now.',
  BackupTimerStopped:
    'The backup timer is stopped, so no backups are made. Run `systemctl status provision-database-backup.timer` there; `provision run --limit HOST` starts it again.',
  FileBackupMissing:
    'Backups of files are configured, but none has succeeded yet. `journalctl -u provision-backup -n 20` there shows why the last one failed. `systemctl start provision-backup` makes one now.',
  FileBackupTimerStopped:
    'The timer of the role backup is stopped, so no files are backed up. Run `systemctl status provision-backup.timer` there; `provision run --limit HOST` starts it again.',
  RestoreTestFailed:
    'The last backup is unusable: it could not be written or kept, or its restored data differs from the original. `journalctl -u provision-database-backup -n 20` (`provision-backup` for files) there shows the cause. Fix it, then start this unit; a good backup resolves the alert.',
  DiskFull:
    'Find large files with `du -xh / | sort -h | tail -30`. Free space with `journalctl --vacuum-size=200M` and `apt-get clean`. Databases stop when a disk is full.',
  DiskFillsUp: 'The disk will be full soon. Find the files that grow: `du -xh / | sort -h | tail -30`.',
  MemoryLow: 'The dashboard shows which component uses the memory. Restart one that leaks, or limit it.',
  OomKill: 'The kernel killed a process because memory ran out. Limit the component, or add memory.',
  CpuStolen: "The provider's machine is overcommitted. Ask the provider to move the host.",
  ClockWrong: 'Run `timedatectl`, and check that the host reaches a time server. Certificates and clusters depend on correct clocks.',
  UnitFailed: 'Run `systemctl status UNIT` and `journalctl -u UNIT -n 50`. After fixing the cause, run `systemctl reset-failed UNIT`.',
  RebootNeeded: 'A new kernel or library takes effect at the next boot. Reboot one host after the other.',
  CertificateNotRenewed:
    'Every run renews a certificate in the last third of its lifetime. `provision schedule` renews those of the balancers only. The certificates between hosts (web servers, database, metrics: 90 days) need a `provision run` of the whole site at least every 30 days. `provision schedule status` shows why a scheduled run did nothing. A certificate whose path ends in `.own.pem` is one that you bring: replace its files in the project, then run `provision run`.',
  CertificateExpired: 'Run `provision run` now. If the certificate authority refuses, its message names the reason.',
  ServedCertificateExpires:
    'The certificate that visitors get expires soon; the file on disk may be newer. Run `provision run`, then `systemctl reload haproxy` on the balancer.',
  ChecksStale: 'Run `systemctl status provision-checks.timer provision-checks.service` on the host.',
  ManagedFileWrong:
    'A file that provision owns was changed. `provision run --dry-run --limit HOST` shows the difference, and a run restores the file. A run that failed before it wrote the file looks the same. If nobody on your team changed it, treat the host as compromised.',
  PackageFileWrong:
    'A file differs from its package: the disk fails, or somebody broke in. Run `dpkg --verify`, then `apt-get install --reinstall PACKAGE` from a clean system.',
  SecurityUpdateWaits: '`unattended-upgrade -d` on the host shows why the update is not installed automatically.',
  FailedLogins:
    'Somebody tries passwords. Since OpenSSH 9.8, sshd also refuses connections from such an address for a while; they count as well. With keys only (role base) this is harmless. Listing your networks in `firewall.administrators` stops it.',
  UnknownPort:
    'A program listens on a port that no role declares. Run `ss -ltnp` there. The firewall blocks the port. If the program is yours, declare it in a role or in `known_ports`.',
  UnknownAccount:
    'An account that no role declares can log in or become root. If it is yours, add it to `base.administrators`, `base.adopted_accounts` or `known_users`. Otherwise treat the host as compromised.',
  SshdChanged:
    'Run `provision run --dry-run --limit HOST`, and review `/etc/ssh/sshd_config`. If you made the change, the next run that changes the host accepts it; to accept it now, run `rm /var/lib/provision-checks/sshd`.',
  FirewallMissing: 'Run `provision run --limit HOST` now: the host is unprotected.',
  FirewallDrops:
    'Somebody scans or floods the host. `nft list counters table inet provision` shows the reasons of the drops, the kernel log the sources.',
}

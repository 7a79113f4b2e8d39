/**
 * What to do about each alert, as the README has it: whoever is woken reads it in the message. HOST is the host that is told of, UNIT the unit.
 */
export const RUNBOOKS: Readonly<Record<string, string>> = {
  Watchdog:
    "Always there: it shows that alerts are on their way, and goes to `heartbeat` only. When the *heartbeat's* owner calls you, the watching host or its way to the internet is down: log in there, `systemctl status prometheus prometheus-alertmanager`.",
  HostDown:
    "The host answers neither pings nor the monitoring. Look at it through its provider's console. The balancers have taken it out already; what else it did (database) has its own alert. After a reboot everything comes back by itself; if not, `provision run --limit HOST`.",
  AgentDown:
    'The host is there and cannot be measured: `systemctl status prometheus-exporter-exporter prometheus-node-exporter` there, then `provision run --limit HOST --role monitoring`. If its certificate has expired, that renews it.',
  ExporterDown:
    'One service cannot be measured. `systemctl status` of its exporter on that host; `provision run --limit HOST --role monitoring`.',
  SiteDown:
    "Visitors get no answer. Is the balancer up (HaproxyDown), is any web server (`echo 'show servers state' | socat - /run/provision-haproxy/admin.sock` there)? `provision verify` asks every part.",
  HaproxyDown:
    '`systemctl status haproxy` and `journalctl -u haproxy -n 50` on the balancer; `provision run --limit HOST` puts its configuration right and starts it. With one balancer the site is down.',
  NginxDown:
    '`systemctl status nginx` and `journalctl -u nginx -n 50` there; `provision run --limit HOST` starts it. The other web servers serve meanwhile.',
  WebServerDown:
    'nginx runs and does not answer as it should when it is asked directly: `tail /var/log/nginx/error.log` there; does an application behind it answer? Certificates: `provision run --limit HOST`.',
  BackendServerDown:
    "The balancers find a server unhealthy that seems well from elsewhere: look at the network between the two, and at the server's `/healthz`. A server that was taken out for a change is not told.",
  SiteSlow:
    "The page's curves say where the time goes: DNS, connecting, TLS, the servers, transfer. Then ServersSlow, CPU and disk of the hosts, and which component uses them.",
  VisitorsWait:
    "One answer in twenty is slow, by the balancer's own log of every request (a probe may not see it). ServersSlow says whether it is one web server; `journalctl -t haproxy` which pages.",
  ServersSlow: 'One web server or the application on it answers slowly. Compare with the others; look at who uses its CPU and disk.',
  ErrorRatio:
    "Part of all answers are errors of the server. `journalctl -t haproxy | grep -v ' 200 '` on a balancer shows which server and path. If it began with a deployment: `provision run playbooks/rollback-web.yaml`.",
  QpsCollapse:
    'Hardly anybody comes. Does the name still lead here (DNS), does the certificate hold, does a page work whole? Else: a holiday.',
  QpsSurge:
    "Many more come than usually. Visitors or an attack? `journalctl -t haproxy` shows who. haproxy-tls' `rate_limit` limits single addresses.",
  BalancerFull:
    'Connections of the balancer run out. If it is an attack: `rate_limit`. Else another balancer, or `extra.global` with a larger `maxconn`.',
  MysqlDown:
    '`systemctl status mariadb` and `journalctl -u mariadb -n 50` there. Is the disk full, was it killed (OomKill)? `provision run --limit HOST`. A cluster goes on without it. Where it was the primary of replicas, nothing takes writes meanwhile.',
  ReplicaStopped: 'The replica does not follow its primary. `SHOW SLAVE STATUS` there says why. Data written now is on one host only.',
  ReplicaLags: 'The replica is behind. Long writes on the primary, or a busy host. Readers see older data.',
  WritersWrong:
    'Not exactly one database takes writes. Two: stop writing at once, and find out which one has the newest data. None, though all run: a `provision run` was cut off or the primary was set to reads only by hand; another run puts it right.',
  GaleraNotReady:
    'This member has lost the others and refuses queries. Is the network between them well? When two of three are gone, start them again.',
  GaleraDegraded:
    "A member is missing, and none is known to be down: one has not joined, cannot be reached by the others, or is no service any more. The cluster works, and cannot lose another one. `journalctl -u mariadb -n 50` on the one that is not synced (`SHOW STATUS LIKE 'wsrep_%'`), `journalctl -u garb` on the arbitrator.",
  ArbitratorDown:
    'The third voice is missing: the loss of a database server would stop the other one. `systemctl status garb`, `journalctl -u garb -n 50` there; `provision run --limit HOST` starts it.',
  DatabaseConnections: 'Connections run out: an application leaks them, or long queries pile up (`SHOW PROCESSLIST`).',
  BackupTooOld:
    "No good backup has been made for too long: look at the journal of the backup's unit on that host, and at the disk it writes to.",
  BackupMissing:
    'Backups were declared, and none has ever been a good one: `systemctl list-timers provision-database-backup.timer` there says when the next one is due, `journalctl -u provision-database-backup -n 20` why the last one failed. `systemctl start provision-database-backup` makes one now.',
  BackupTimerStopped:
    'Nobody makes backups any more: somebody stopped their timer. `systemctl status provision-database-backup.timer` there; `provision run --limit HOST` starts it again.',
  RestoreTestFailed:
    'The last backup is no good one: it could not be made or kept, or was brought back and was not what had been saved. `journalctl -u provision-database-backup -n 20` there says which. Mend it, and `systemctl start provision-database-backup`: the alert ends with a good one.',
  DiskFull: '`du -xh / | sort -h | tail -30`; `journalctl --vacuum-size=200M`, `apt-get clean`. Databases stop when a disk is full.',
  DiskFillsUp: 'The disk will be full within a day. Find out what grows before it does.',
  MemoryLow: 'The page shows which component takes it. Restart the one that leaks, or give it a limit.',
  OomKill: 'Memory ran out, and the kernel ended something. Limits of the component, or more memory.',
  CpuStolen: "The provider's machine is crowded. Ask for another one.",
  ClockWrong: '`timedatectl`; does the host reach a time server? Certificates and clusters need right clocks.',
  UnitFailed: '`systemctl status UNIT`, `journalctl -u UNIT -n 50`. When it is mended: `systemctl reset-failed UNIT`.',
  RebootNeeded: 'A new kernel or library waits. Reboot one host after the other.',
  CertificateNotRenewed:
    'Every run renews what has a third of its life left. `provision schedule` renews those of the balancers only; those between the hosts (web servers, database, metrics: 90 days) need a `provision run` of the whole site at least every 30 days. `provision schedule status` says why a scheduled run did nothing.',
  CertificateExpired: '`provision run` now. If an authority refuses: its message says why.',
  ServedCertificateExpires: 'What visitors get ends within a day, whatever lies on disk: `provision run`, then `systemctl reload haproxy`.',
  ChecksStale: '`systemctl status provision-checks.timer provision-checks.service` there.',
  ManagedFileWrong:
    'Somebody or something changed a file that provision owns. `provision run --dry-run --limit HOST` shows how it differs, and a run puts it back. A run that failed before it wrote the file looks the same. If it was none of you, treat the host as broken into.',
  PackageFileWrong:
    'A file of a package is not what the package brought. A failing disk, or somebody broke in: `dpkg --verify`, then `apt-get install --reinstall PACKAGE` from a clean system.',
  SecurityUpdateWaits: '`unattended-upgrade -d` on the host says why it does not come by itself.',
  FailedLogins:
    'Somebody tries passwords; with keys only (role base) it is noise. Name your networks in `firewall.administrators` and it ends.',
  UnknownPort:
    'Something listens that no role speaks of. `ss -ltnp` there. The firewall keeps it shut. If it is yours: a role, or `known_ports`.',
  UnknownAccount:
    'Somebody may log in or become root of whom no role speaks. If it is yours: `base.administrators` or `known_users`. If not, treat the host as broken into.',
  SshdChanged:
    '`provision run --dry-run --limit HOST`, and compare `/etc/ssh/sshd_config`. If you did it by hand, any run takes it as it is from then on that changes something of ours there, or: `rm /var/lib/provision-checks/sshd`.',
  FirewallMissing: '`provision run --limit HOST` now: the host is open.',
  FirewallDrops: "Somebody scans or floods. `nft list counters table inet provision` says what is dropped, the kernel's log from whom.",
}

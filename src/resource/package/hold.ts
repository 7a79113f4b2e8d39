/** What holds services back during an installation. Cleared when it is done; a left-over is a debt. */
export const HOLD = {
  preset: '/run/systemd/system-preset/00-provision.preset',
  policy: '/usr/sbin/policy-rc.d',
  /** Somebody else's policy, kept while ours is in its place. */
  kept: '/usr/sbin/policy-rc.d.provision-kept',
  mark: '# provision: services of packages that it installs wait for their configuration',
} as const

// Asked by invoke-rc.d and deb-systemd-invoke: 101 forbids. Services that ran or were enabled before may be restarted by their
// upgrade; the rest waits. Only installs of ours carry the variable, so a left-over changes nothing for anybody else.
// A glob can only reach units that run.
const policy = `#!/bin/sh
${HOLD.mark}
id=; for word do case $word in -*) ;; *) id=$word; break ;; esac; done
known() { case "$PROVISION_HOLD" in *" $1 "*|*" $1.service "*) ;; *) return 1 ;; esac; }
case "\${PROVISION_HOLD:+held}$id" in
  ''|held|*'*'*) ;;
  held*) known "$id" || known "$(systemctl show -P Id -- "$id" 2>/dev/null || echo "$id")" || exit 101 ;;
esac
[ ! -x ${HOLD.kept} ] || exec ${HOLD.kept} "$@"
exit 0
`

/**
 * Shell functions: `hold` before an installation, `release` after it. New services and sockets neither start nor get enabled;
 * timers may. (Only a preset: nginx's postinst starts it regardless. Only policy-rc.d: all are enabled and a reboot starts them.)
 */
export const holdFunctions = `
ours() { [ -f ${HOLD.policy} ] && { read -r a; read -r b; [ "$b" = '${HOLD.mark}' ]; } <${HOLD.policy}; }
listed() { systemctl "$@" --type=service,socket --plain --no-legend --no-pager | while read -r u rest; do printf '%s ' "$u"; done; }
hold() {
  PROVISION_HOLD=" $(listed list-units --state=active,activating,reloading)$(listed list-unit-files --state=enabled)"; export PROVISION_HOLD
  install -d -m 755 ${HOLD.preset.slice(0, HOLD.preset.lastIndexOf('/'))} && printf 'disable *.service\\ndisable *.socket\\n' >${HOLD.preset} || return 1
  if ! ours && { [ -e ${HOLD.policy} ] || [ -L ${HOLD.policy} ]; }; then mv -f ${HOLD.policy} ${HOLD.kept} || return 1; fi
  cat >${HOLD.policy}.new <<'POLICY' && chmod 755 ${HOLD.policy}.new && sync ${HOLD.policy}.new && mv -f ${HOLD.policy}.new ${HOLD.policy}
${policy}POLICY
}
release() {
  unset PROVISION_HOLD
  if ours; then rm -f ${HOLD.policy}; fi
  if [ -e ${HOLD.kept} ] || [ -L ${HOLD.kept} ]; then
    if [ -e ${HOLD.policy} ] || [ -L ${HOLD.policy} ]; then rm -f ${HOLD.kept}; else mv ${HOLD.kept} ${HOLD.policy}; fi
  fi
  rm -f ${HOLD.preset} ${HOLD.policy}.new
}`

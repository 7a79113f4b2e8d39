import { raw } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
/** Files that hold services back during an installation. Deleted afterwards; remains of an interrupted run are a debt of safety. */
export const HOLD = {
  preset: '/run/systemd/system-preset/00-provision.preset',
  policy: '/usr/sbin/policy-rc.d',
  /** The administrator's policy, saved while ours is in its place. */
  kept: '/usr/sbin/policy-rc.d.provision-kept',
  mark: '# provision: services of packages that it installs wait for their configuration',
} as const

// Run by invoke-rc.d and deb-systemd-invoke; 101 forbids an action. An upgrade may restart services that were running or enabled; others
// wait. Only our installations set the variable, so remains of this file do not affect anybody else. A glob matches running units only.
export const POLICY = sh`#!/bin/sh
${raw(HOLD.mark)}
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
 * Shell functions: `hold` before an installation, `release` after it. New services and sockets are neither started nor enabled; timers
 * may be. (With a preset alone, the postinst of nginx starts it. With policy-rc.d alone, all are enabled and start at the next boot.)
 */
export const holdFunctions = sh`
ours() { [ -f ${HOLD.policy} ] && { read -r _; read -r mark; [ "$mark" = ${HOLD.mark} ]; } <${HOLD.policy}; }
listed() { systemctl "$@" --type=service,socket --plain --no-legend --no-pager | while read -r name _; do printf '%s ' "$name"; done; }
hold() {
  PROVISION_HOLD=" $(listed list-units --state=active,activating,reloading)$(listed list-unit-files --state=enabled)"; export PROVISION_HOLD
  install -d -m 755 ${HOLD.preset.slice(0, HOLD.preset.lastIndexOf('/'))} && printf 'disable *.service\\ndisable *.socket\\n' >${HOLD.preset} || return 1
  if ! ours && { [ -e ${HOLD.policy} ] || [ -L ${HOLD.policy} ]; }; then mv -f ${HOLD.policy} ${HOLD.kept} || return 1; fi
  { cat >${HOLD.policy}.new ${hereDocument(String(POLICY), 'POLICY')}
  } && chmod 755 ${HOLD.policy}.new && sync ${HOLD.policy}.new && mv -f ${HOLD.policy}.new ${HOLD.policy}
}
release() {
  unset PROVISION_HOLD
  if ours; then rm -f ${HOLD.policy}; fi
  if [ -e ${HOLD.kept} ] || [ -L ${HOLD.kept} ]; then
    if [ -e ${HOLD.policy} ] || [ -L ${HOLD.policy} ]; then rm -f ${HOLD.kept}; else mv ${HOLD.kept} ${HOLD.policy}; fi
  fi
  rm -f ${HOLD.preset} ${HOLD.policy}.new
}`

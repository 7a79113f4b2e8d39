import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import type { SshdState } from '../../../../src/resource/sshd/observe.ts'
import { sshd } from '../../../../src/resource/sshd/sshd.ts'
import { isRoot, type Throwaway, throwaway } from '../account/throwaway.ts'

const PATH = '/etc/ssh/sshd_config.d/00-provision.conf'
const { spec } = sshd({ settings: { MaxAuthTries: 3, Ciphers: ['a', 'b'] } })

/** Prints the first value of each keyword, as sshd does. It accepts every line that does not begin with `Bad`. */
const SSHD = String.raw`#!/bin/sh
all() { cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null; }
case $1 in
-t) if all | grep '^Bad' >&2; then exit 255; fi ;;
*) { if [ "\${2-}" = -f ]; then cat "$3"; else all; fi; printf 'MaxAuthTries 6\nCiphers x\nX11Forwarding no\n'; } |
  awk '!/^#/ && NF { key = tolower($1); if (!(key in seen)) { seen[key] = 1; $1 = key; print } }' ;;
esac`.replaceAll('\\$', '$')

/** Answers from files in $T, and notes what it was asked to change. */
const SYSTEMCTL = `#!/bin/sh
case $* in
'is-active -q ssh.socket') [ -e "$T/socket" ]; exit ;;
'is-active -q ssh.service') [ "$(cat "$T/active")" = active ]; exit ;;
'show -P ActiveState ssh.service') cat "$T/active"; exit ;;
'show -P MainPID ssh.service') cat "$T/pid"; exit ;;
'show -P StateChangeTimestampMonotonic ssh.service') echo 4711; exit ;;
esac
echo "$*" >>"$T/calls"
case $1 in
reload) [ ! -e "$T/broken" ] || exit 1; cat ${PATH} >>"$T/loaded" 2>/dev/null; kill "$(cat "$T/pid")" ;;
restart) cat ${PATH} >>"$T/loaded" ;;
esac`

describe.skipIf(!isRoot)('a trial of settings on a host', () => {
  let host: Throwaway
  beforeAll(() => {
    host = throwaway()
    host.prelude = `mount -t tmpfs tmpfs /usr/sbin; cat >/usr/sbin/sshd <<'END'
${SSHD}
END
chmod 755 /usr/sbin/sshd; mkdir -p /etc/ssh/sshd_config.d
step() { sh "$T/step.$1" <"$T/settings" 2>>"$T/said"; }
sleep 60 & echo $! >"$T/pid"`
    host.run(`cat >"$BIN"/systemctl <<'END'
${SYSTEMCTL}
END
printf '#!/bin/sh\\necho "$*" >>"$T/timers"\\n' >"$BIN"/systemd-run
printf '#!/bin/sh\\necho "the journal says why"\\n' >"$BIN"/journalctl; chmod 755 "$BIN"/*`)
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run(`rm -rf /etc/ssh /run/provision /var/lib/provision "$T"/loaded "$T"/calls "$T"/timers "$T"/said "$T"/socket "$T"/broken
mkdir -p /etc/ssh/sshd_config.d; echo 'Include /etc/ssh/sshd_config.d/*.conf' >/etc/ssh/sshd_config; echo active >"$T/active"; : >"$T/said"`)
    prepare(spec)
  })

  /** Writes the file as it was before the change. */
  const existing = (text: string): void => {
    host.run(`cat >${PATH} <<'END-OF-TEXT'\n${text}END-OF-TEXT`)
    prepare(spec, text)
  }
  /** Writes the scripts of a change: 1 arms the timer, 2 loads, 3 confirms, 4 keeps. */
  const prepare = (one: typeof spec, before?: string): void => {
    const sha256 = before === undefined ? undefined : createHash('sha256').update(before).digest('hex')
    const state = {
      config: ['Include /etc/ssh/sshd_config.d/*.conf'],
      ...(sha256 === undefined ? { inode: ABSENT } : { sha256 }),
    } as unknown as SshdState
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const steps = sshd.kind.apply([{ id: one.path, spec: one, state, change }])
    const scripts: string[] = []
    for (let next = steps.next(); next.done !== true; next = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' }))
      if ('script' in next.value) scripts.push(String(next.value.script))
    expect(scripts).toHaveLength(4)
    for (const [i, script] of scripts.entries()) host.run(`cat >"$T/step.${i + 1}" <<'END-OF-STEP'\n${script}\nEND-OF-STEP`)
    host.run(`cat >"$T/settings" <<'END-OF-TEXT'\n${one.text}END-OF-TEXT`)
  }
  const run = (script: string): string => {
    const { stdout, stderr } = host.shell(`${script}\nprintf '[%s]' "$(cat "$T/said")"`)
    return `${stdout}${stderr}`
  }

  it('loads the settings over the old file, and replaces that only after the confirmation', () => {
    existing('MaxAuthTries 5\n')
    const said = run(`step 1; echo "armed $?: $(cat ${PATH})"
step 2; echo "loaded $?: $(stat -c %a ${PATH} /run/sshd | tr '\\n' ' ')$(tail -n 2 ${PATH} | tr '\\n' ' ')"; umount ${PATH}; echo "at boot: $(cat ${PATH})"; mount --bind /run/provision/sshd/00-provision.conf.* ${PATH}
step 3; echo "confirmed $?"
step 4; echo "kept $?: $(stat -c %a ${PATH}) $(tail -n 2 ${PATH} | tr '\\n' ' ')"; umount ${PATH} 2>/dev/null; echo "at boot: $(tail -n 2 ${PATH} | tr '\\n' ' ')"
ls -A /run/provision/sshd /etc/ssh/sshd_config.d /var/lib/provision/sshd; cat "$T/calls"; grep -c 'on-active=30s.*/bin/sh /run/provision/sshd/00-provision.undo' "$T/timers"
cat /var/lib/provision/loaded/ssh.service /run/provision/loaded/ssh.service 2>/dev/null | sed 's/^[0-9a-f]\\{64\\}/SUM/'`)
    expect(said).toMatch(
      /^armed 0: MaxAuthTries 5\nloaded 0: 644 755 MaxAuthTries 3 Ciphers a,b \nat boot: MaxAuthTries 5\nconfirmed 0\nkept 0: 644 MaxAuthTries 3 Ciphers a,b \nat boot: MaxAuthTries 3 Ciphers a,b \n/,
    )
    expect(said).toContain('/etc/ssh/sshd_config.d:\n00-provision.conf\n\n/run/provision/sshd:\n\n/var/lib/provision/sshd:\n')
    expect(said).toMatch(
      /reload ssh\.service\nstop provision-sshd-[0-9a-f]{16}\.timer\n1\n4711\nSUM {2}\/etc\/ssh\/sshd_config\nSUM {2}\/etc\/ssh\/sshd_config\.d\/00-provision\.conf\n\[\]$/,
    )
  })

  it('restores the old settings, or that there were none', () => {
    const undo = 'sh /run/provision/sshd/00-provision.undo.*'
    expect(
      run(
        `step 1 && step 2; sleep 60 & echo $! >"$T/pid"; ${undo}; echo "$?"; ls -A /etc/ssh/sshd_config.d; cat "$T/calls"; ls /var/lib/provision/sshd`,
      ),
    ).toBe('0\nreload ssh.service\nreload ssh.service\n00-provision.rolled-back\n[]')
    existing('MaxAuthTries 5\n')
    host.run(': >"$T/loaded"')
    expect(run(`step 1 && step 2; sleep 60 & echo $! >"$T/pid"; ${undo}; cat ${PATH}; tail -n 1 "$T/loaded"`)).toBe(
      'MaxAuthTries 5\nMaxAuthTries 5\n[]',
    )
  })

  it('changes nothing if sshd refuses the settings, or if another file has precedence', () => {
    prepare(sshd({ settings: { BadWord: 'x' } }).spec)
    const untouched = `ls -A /etc/ssh/sshd_config.d; ls "$T/calls" "$T/timers" 2>/dev/null`
    expect(run(`step 1; echo "$?"; ${untouched}`)).toBe('255\n[BadWord x]')
    prepare(spec)
    host.run('echo "MaxAuthTries 4" >/etc/ssh/sshd_config.d/00-first.conf; : >"$T/said"')
    expect(run(`step 1; echo "$?"; ${untouched}`)).toBe(
      '1\n00-first.conf\n[another file has precedence: sshd would use "maxauthtries 4", not "maxauthtries 3"]',
    )
    host.run('echo "MaxAuthTries 4" >/etc/ssh/sshd_config.d/zz-last.conf; rm /etc/ssh/sshd_config.d/00-first.conf; : >"$T/said"')
    expect(run('step 1; echo "$?"')).toBe('0\n[]')
  })

  it('notices a default value that another file defeats', () => {
    prepare(sshd({ settings: { MaxAuthTries: 6 } }).spec)
    host.run('echo "MaxAuthTries 4" >/etc/ssh/sshd_config.d/00-first.conf')
    expect(run('step 1; echo "$?"')).toBe('1\n[another file has precedence: sshd would use "maxauthtries 4", not "maxauthtries 6"]')
  })

  it('refuses a file that was changed since the observation', () => {
    existing('MaxAuthTries 5\n')
    host.run(`echo 'MaxAuthTries 4' >${PATH}`)
    expect(run(`step 1; echo "$?"; cat ${PATH}`)).toBe(`68\nMaxAuthTries 4\n[${PATH} is not as it was observed]`)
    host.run(`rm ${PATH}; : >"$T/said"`)
    expect(run('step 1; echo "$?"')).toBe(`68\n[${PATH} is not as it was observed]`)
  })

  it('refuses a link at its path', () => {
    host.run(`ln -s /etc/ssh/sshd_config ${PATH}`)
    expect(run('step 1; echo "$?"')).toBe(`1\n[${PATH} exists and is not a regular file: move it away]`)
  })

  it('restores the old settings at once if sshd does not load the new ones', () => {
    existing('MaxAuthTries 5\n')
    host.run(': >"$T/broken"')
    expect(run(`step 1 && step 2; echo "$?"; cat ${PATH}; ls -A /var/lib/provision/sshd`)).toContain('1\nMaxAuthTries 5\n')
    expect(host.run('cat "$T/said"')).toContain('the journal says why')
  })

  it.each([
    ['failed', false, 'reset-failed ssh.service\nrestart ssh.service\n', 0],
    ['activating', false, 'reset-failed ssh.service\nrestart ssh.service\n', 0],
    ['inactive', true, '', 0],
    ['active', true, 'restart ssh.service\n', 0],
  ])('loads them into a daemon that is %s (by a socket: %s)', (active, socket, calls, code) => {
    host.run(`echo ${active} >"$T/active"${socket ? '; : >"$T/socket"' : ''}; : >"$T/calls"`)
    expect(run('step 1 && step 2; echo "$?"; cat "$T/calls"')).toBe(`${code}\n${calls}[]`)
  })

  it('refuses them where no sshd runs', () => {
    host.run('echo inactive >"$T/active"')
    expect(run('step 1 && step 2; echo "$?"')).toContain('[neither ssh.service nor ssh.socket runs: sshd cannot load new settings')
    expect(host.run('ls -A /etc/ssh/sshd_config.d')).toBe('')
  })
})

it('throws before any step if sshd would ignore the file', () => {
  const state = { config: ['Port 22'] } as unknown as SshdState
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  expect(() => sshd.kind.apply([{ id: spec.path, spec, state, change }]).next()).toThrow(
    expect.objectContaining({
      what: 'sshd settings would have no effect',
      why: '/etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf',
      fix: 'add "Include /etc/ssh/sshd_config.d/*.conf" as the first line of /etc/ssh/sshd_config; provision does not change that file',
    }),
  )
})

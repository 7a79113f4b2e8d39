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
reload) [ ! -e "$T/broken" ] || exit 1; cat ${PATH} >>"$T/loaded" 2>/dev/null; [ ! -e "$T/ends" ] || echo failed >"$T/active"
  [ -e "$T/slow" ] || kill "$(cat "$T/pid")" ;;
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
printf '#!/bin/sh\\necho "$*" >"$T/journal-asked"; echo "the journal says why"\\n' >"$BIN"/journalctl
cat >"$BIN"/mount <<'END'
#!/bin/sh
case $* in "--bind "*/etc/ssh/*) [ ! -e "$T/no-mounts" ] || exit 32 ;; esac
exec /bin/mount "$@"
END
cat >"$BIN"/sleep <<'END'
#!/bin/sh
[ "$1" = 0.1 ] || exec /bin/sleep "$1"
echo "$1" >>"$T/slept"
[ "$(wc -l <"$T/slept")" != "$(cat "$T/slow" 2>/dev/null)" ] || { kill "$(cat "$T/pid")"; exec /bin/sleep 0.1; }
END
chmod 755 "$BIN"/*`)
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run(`rm -rf /etc/ssh /run/provision /var/lib/provision "$T"/loaded "$T"/calls "$T"/timers "$T"/said "$T"/socket "$T"/broken "$T"/no-mounts "$T"/slow "$T"/slept "$T"/ends
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
    const texts = Object.entries({
      settings: one.text,
      ...Object.fromEntries(scripts.map((script, i) => [`step.${i + 1}`, `${script}\n`])),
    })
    host.run(texts.map(([name, text]) => `cat >"$T/${name}" <<'END-OF-TEXT'\n${text}END-OF-TEXT`).join('\n'))
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
    host.run(': >"$T/loaded"; rm -r /run/provision')
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

  it('names each value that another file defeats, as sshd prints it', () => {
    prepare(sshd({ settings: { Banner: 'a\\b', MaxAuthTries: 3, Ciphers: ['a', 'b'] } }).spec)
    host.run(`printf '%s\n' 'Banner x' 'maxauthtries 4' >/etc/ssh/sshd_config.d/00-first.conf`)
    expect(run('step 1; echo "$?"')).toBe(`1
[another file has precedence: sshd would use "banner x", not "banner a\\b"
another file has precedence: sshd would use "maxauthtries 4", not "maxauthtries 3"]`)
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
    host.run(`cat "$T/settings" >${PATH}; : >"$T/said"`)
    expect(run('step 1; echo "$?"')).toBe('0\n[]')
  })

  it('refuses a link or directory at its path', () => {
    host.run(`ln -s /etc/ssh/sshd_config ${PATH}`)
    const refused = `1\n[${PATH} exists and is not a regular file: move it away]`
    expect(run('step 1; echo "$?"')).toBe(refused)
    host.run(`rm ${PATH}; ln -s nowhere ${PATH}; : >"$T/said"`)
    expect(run('step 1; echo "$?"')).toBe(refused)
    host.run(`rm ${PATH}; mkdir ${PATH}; : >"$T/said"`)
    expect(run('step 1; echo "$?"')).toBe(refused)
  })

  it('restores the old settings at once if sshd does not load the new ones', () => {
    existing('MaxAuthTries 5\n')
    host.run(': >"$T/broken"')
    expect(run(`step 1 && step 2; echo "$?"; cat ${PATH}; ls -A /var/lib/provision/sshd`)).toContain('1\nMaxAuthTries 5\n')
    expect(host.run('cat "$T/said"')).toContain('the journal says why')
    expect(host.run('cat "$T/journal-asked"')).toBe('-u ssh.service -n 5 -q -o cat --no-pager\n')
  })

  it('restores the old settings at once if sshd ends with the new ones', () => {
    existing('MaxAuthTries 5\n')
    host.run(': >"$T/ends"')
    expect(run(`step 1 && step 2; echo "$?"; cat ${PATH}`)).toMatch(/^1\nMaxAuthTries 5\n/)
  })

  it('waits until sshd executes itself again, for five seconds at most', () => {
    host.run('echo 4 >"$T/slow"')
    expect(run('step 1 && step 2; echo "$?: $(wc -l <"$T/slept")"')).toBe('0: 4\n[]')
    host.run(`echo never >"$T/slow"; rm "$T/slept" ${PATH}`)
    expect(run('step 1 && step 2; echo "$?: $(wc -l <"$T/slept")"')).toBe('0: 50\n[]')
  })

  it('covers the file of the host itself, whose sshd may run in another mount namespace', () => {
    existing('MaxAuthTries 5\n')
    expect(run(`step 1; unshare -m sh "$T/step.2" 2>>"$T/said"; echo "$?"; cat ${PATH}; grep -c 00-provision /proc/mounts`)).toBe(
      '1\nMaxAuthTries 5\n0\n[sshd runs in a separate mount namespace and does not see the new settings]',
    )
  })

  it('restores the old settings also after several attempts', () => {
    existing('MaxAuthTries 5\n')
    const again = 'sleep 60 & echo $! >"$T/pid"; step 1 && step 2'
    expect(
      run(`${again}; ${again}; grep -c ${PATH} /proc/mounts; for undo in /run/provision/sshd/*.undo.*; do sleep 60 & echo $! >"$T/pid"; sh $undo; done
grep -c ${PATH} /proc/mounts; cat ${PATH}`),
    ).toBe('1\n0\nMaxAuthTries 5\n[]')
  })

  it('covers an empty file that every account can read if there was none', () => {
    expect(run(`step 1 && step 2; umount ${PATH}; stat -c '%a %s' ${PATH}`)).toBe('644 0\n[]')
  })

  it('changes nothing on a host that does not permit mounts', () => {
    existing('MaxAuthTries 5\n')
    host.run(': >"$T/no-mounts"')
    expect(run(`step 1; echo "$?"; cat ${PATH}; ls "$T/timers" 2>/dev/null`)).toBe(
      '1\nMaxAuthTries 5\n[this host does not permit mounts (CAP_SYS_ADMIN), so a change of sshd could not be rolled back]',
    )
    host.run('rm "$T/no-mounts"; : >"$T/said"')
    expect(run(`step 1; : >"$T/no-mounts"; step 2; echo "$?"; cat ${PATH}; tail -n 1 "$T/loaded"`)).toBe(
      '32\nMaxAuthTries 5\nMaxAuthTries 5\n[]',
    )
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

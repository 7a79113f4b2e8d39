import { readdirSync, readFileSync } from 'node:fs'

const roles = new URL('../../../roles/', import.meta.url)

/** A unit in the README of its role. The exposure of a unit that runs no program of its own is undefined. */
export interface Row {
  readonly role: string
  readonly unit: string
  readonly account: string
  readonly exposure: number | undefined
  readonly remark: string
}

/** All rows of the tables `Units` in the READMEs of the roles. */
export const documented = (): readonly Row[] =>
  readdirSync(roles).flatMap((role) =>
    readFileSync(new URL(`${role}/README.md`, roles), 'utf8')
      .split('\n')
      .filter((line) => /^\| `[^`]+\.(service|socket|timer|slice)`/.test(line))
      .flatMap((line) => {
        const [units = '', account = '', exposure = '', remark = ''] = line
          .split('|')
          .slice(1)
          .map((cell) => cell.trim())
        return units.split(', ').map((unit) => ({
          role,
          unit: unit.replaceAll('`', ''),
          account: account.replaceAll('`', ''),
          exposure: exposure === '' ? undefined : Number(exposure),
          remark,
        }))
      }),
  )

/** A unit that a role owns on a host, whole or by a drop-in. */
export interface Owned {
  readonly role: string
  readonly unit: string
  /** `root`, a name, or `its own`. */
  readonly account: string
  readonly exposure: number | undefined
}

/** Script that runs as root on a host; `ownedIn` reads its output. */
export const OWNED_UNITS = `cd /var/lib/provision/owned; for role in *; do
  sed -n 's/^unit:\\([^ ]*\\).*/\\1/p' "$role" | sed 's#[.]d/.*##' | sort -u | while read -r unit; do
    said=; case $unit in *.service) said=$(systemctl show -P DynamicUser "$unit"):$(systemctl show -P User "$unit"):$(systemd-analyze security --no-pager "$unit" | sed -n 's/.*exposure level for [^ ]*: \\([0-9.]*\\).*/\\1/p') ;; esac
    echo "$role:$unit:$said"
  done
done`

export const ownedIn = (printed: string): readonly Owned[] =>
  printed
    .trim()
    .split('\n')
    .map((line) => {
      const [role = '', unit = '', isDynamic, user, exposure] = line.split(':')
      const account = isDynamic === 'yes' ? 'its own' : user || 'root'
      return { role, unit, account, exposure: exposure === undefined || exposure === '' ? undefined : Number(exposure) }
    })

/** Differences between the units of a host and the READMEs, and units of 3.0 and more without a remark. */
export const undocumented = (owned: readonly Owned[]): readonly string[] =>
  owned.flatMap(({ role, unit, account, exposure }) => {
    const row = documented().find((one) => one.role === role && new RegExp(`^${one.unit.replace('NAME', '[a-z0-9-]+')}$`).test(unit))
    if (row === undefined) return [`${unit} is missing in the table of ${role}`]
    if (!unit.endsWith('.service')) return row.exposure === undefined ? [] : [`${unit} runs no program`]
    // Debian 13 counts up to 0.2 less than Debian 12, to which the READMEs refer.
    const more = (exposure ?? 10) - (row.exposure ?? -1)
    if (more > 0.101 || more < -0.201) return [`${unit}: ${exposure}, and not ${row.exposure}`]
    if (account !== row.account) return [`${unit}: ${account}, and not ${row.account}`]
    return (exposure ?? 10) >= 3 && row.remark === '' ? [`${unit}: ${exposure}, and no reason`] : []
  })

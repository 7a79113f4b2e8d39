import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { parentOf } from '../kind/path.ts'
import { guardObserved, type ObservedPath } from '../kind/walk.ts'
import { PLACEHOLDER, REVOKED } from './observe.ts'

/** Chains that stay in use until all certificates are issued, and where they are listed. */
export interface Formers {
  /** Path of the list. */
  readonly path: string
  /** Path of the list of the service's chains, one per line. */
  readonly list: string
  readonly pairs: readonly { readonly path: string; readonly names: readonly string[] }[]
}

/** Suffix of the copy of a pair that is replaced before another certificate has its names. */
const FORMER = '.former'

/**
 * Shell functions. `missing` prints the declared names that their own pairs do not serve yet, and `update_formers` rewrites the list: it
 * then has the chains that serve such names, and otherwise none.
 */
const functions = ({ path, list, pairs }: Formers): Script => sh`
set +e
work=$(mktemp -d "$T/XXXXXXXX") || exit 1
former=${path} current=${list}
names_of() { openssl x509 -in "$1" -noout -ext subjectAltName 2>/dev/null | tr ',' '\\n' | sed -n 's/^ *DNS://p' | tr '[:upper:]' '[:lower:]'; }
revoked() { [ -f "$1"${REVOKED} ] && fingerprint=$(openssl x509 -in "$1" -noout -fingerprint -sha256) && grep -qxF "\${fingerprint#*=}" "$1"${REVOKED}; }
serves() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ -f "$1.key" ] && [ ! -L "$1.key" ] && openssl x509 -in "$1" -noout -checkend 0 >/dev/null 2>&1 || return 1
  ! openssl x509 -in "$1" -noout -subject | grep -qF ${PLACEHOLDER} && ! revoked "$1" || return 1
  [ "$(openssl pkey -in "$1.key" -passin pass: -pubout 2>/dev/null)" = "$(openssl x509 -in "$1" -noout -pubkey)" ]
}
has() { grep -qxF -e "$2" -e "*.\${2#*.}" "$1"; }
lacking() {
  if serves "$1"; then names_of "$1" >"$work/have"; else : >"$work/have"; fi
  shift; for n do has "$work/have" "$n" || printf '%s\\n' "$n"; done
}
missing() { :
${pairs.map(({ path: chain, names }) => sh`lacking ${chain} ${names}\n`)}
}
helps() { names_of "$1" >"$work/names"; while IFS= read -r n; do ! has "$work/names" "$n" || return 0; done <"$work/missing"; return 1; }
update_formers() {
  missing >"$work/missing"
  printf '%s\\n' ${pairs.map(({ path: chain }) => chain)} >"$work/declared"
  if [ -s "$work/missing" ]; then
    cat "$former" "$current" 2>/dev/null | grep -v '^$' >"$work/candidates"
    sed ${`s/$/${FORMER}/`} "$work/declared" >>"$work/candidates"
    grep -vxFf "$work/declared" "$work/candidates" | awk '!seen[$0]++' | while IFS= read -r p; do
      if serves "$p" && helps "$p"; then printf '%s\\n' "$p"; fi
    done
  fi >"$work/former"
  if [ ! -f "$former" ] || [ -L "$former" ] || ! cmp -s "$work/former" "$former"; then
    cp -T -- "$work/former" "$former.new" && sync "$former.new" && mv -fT -- "$former.new" "$former" && sync "\${former%/*}" || exit 1
  fi
  chown root:root "$former"; chmod 644 "$former"
}
`

/** Lists the chains in use that serve names without a certificate of their own yet. */
export const listFormersScript = (formers: Formers, observed: Omit<ObservedPath, 'path'>): Script => sh`(
umask 022
${guardObserved([formers.path, ...formers.pairs.map((pair) => pair.path)].map(parentOf), [{ ...observed, path: formers.path }])}
${functions(formers)}
update_formers; rm -rf "$work"
${deleteCopiesScript(formers)})`

/** Copies `$chain` and `$key` before they are replaced, if they serve a name for which another certificate is still missing. */
export const keepFormerScript = (formers: Formers): Script => sh`(
${functions(formers)}
missing >"$work/missing"
if serves "$chain" && helps "$chain"; then
  cp -pT -- "$key" "$chain"${FORMER}.key.new && mv -fT -- "$chain"${FORMER}.key.new "$chain"${FORMER}.key || exit 1
  cp -pT -- "$chain" "$chain"${FORMER}.new && mv -fT -- "$chain"${FORMER}.new "$chain"${FORMER} || exit 1
fi
rm -rf "$work"
)`

/**
 * Lists the chains again after a certificate was installed. Copies stay until the service has loaded the list. It is not compared: lines
 * that somebody added since are candidates too, and stay while their chains serve a name without a certificate.
 */
export const relistFormersScript = (formers: Formers): Script => sh`(
umask 022
${functions(formers)}
update_formers; rm -rf "$work"
)`

/** Deletes the copies that the list does not have any more. */
export const deleteCopiesScript = ({ path, pairs }: Formers): Script => sh`
for p in ${pairs.map((pair) => pair.path)}; do grep -qxF "$p"${FORMER} ${path} || rm -f -- "$p"${FORMER} "$p"${FORMER}.key; done
`

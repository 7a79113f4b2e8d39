import { decrypt, encrypt, isEncrypted } from '../keystore/age.ts'
import { Problems } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { complaint } from './source/complaint.ts'
import { textOf } from './source/text.ts'
import { parseYaml } from './yaml/yaml.ts'

/** Encrypts secrets.yaml for everybody who may read it. Throws `Problems` when it is no YAML map, because nobody could use it then. */
export const encryptSecrets = async (path: string, yaml: string, recipients: readonly string[]): Promise<Uint8Array> => {
  const { root, problems, sound } = parseYaml(path, yaml, undefined, 'secret')
  if (problems.length > 0) throw new Problems(problems)
  if (sound && root?.is !== 'map') {
    throw complaint({ file: path, line: 1, column: 1 }, 'secrets must be a map', 'write `name: value` lines; maps may be nested')
  }
  return encrypt(yaml, recipients)
}

/** The text of an encrypted secrets.yaml, in memory only. Throws a `Problem` when it is not encrypted or does not open. */
export const decryptSecrets = async (path: string, bytes: Uint8Array, identities: () => readonly Secret[]): Promise<Secret> => {
  if (!isEncrypted(bytes)) {
    throw complaint(
      { file: path, line: 1, column: 1 },
      'this file shall hold secrets and is not encrypted',
      'run `provision secrets encrypt`, and change what has been committed in the clear',
    )
  }
  return new Secret(textOf(path, await decrypt(bytes, identities(), { file: path })), true)
}

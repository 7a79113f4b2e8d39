import { decrypt, encrypt, isEncrypted } from '../keystore/age.ts'
import { Problems } from '../problem.ts'
import { Secret } from '../secret/secret.ts'
import { inputProblem } from './source/input-problem.ts'
import { textOf } from './source/text.ts'
import { parseYaml } from './yaml/yaml.ts'

/** Encrypts secrets.yaml for its recipients. Throws `Problems` if it is not a YAML map. */
export const encryptSecrets = async (path: string, yaml: string, recipients: readonly string[]): Promise<Uint8Array> => {
  const { root, problems, isParsed } = parseYaml(path, yaml, undefined, 'secret')
  if (problems.length > 0) throw new Problems(problems)
  if (isParsed && root?.is !== 'map') {
    throw inputProblem(
      { file: path, line: 1, column: 1 },
      'secrets file is not a map',
      'write one `name: value` per line; maps may be nested',
    )
  }
  return encrypt(yaml, recipients)
}

/** Decrypts secrets.yaml in memory. Throws a `Problem` if it is not encrypted or cannot be decrypted. */
export const decryptSecrets = async (path: string, bytes: Uint8Array, identities: () => readonly Secret[]): Promise<Secret> => {
  if (!isEncrypted(bytes)) {
    throw inputProblem(
      { file: path, line: 1, column: 1 },
      'secrets file is not encrypted',
      'run `provision secrets encrypt`, and change secrets that were committed in plain text',
    )
  }
  return new Secret(textOf(path, await decrypt(bytes, identities(), { file: path })), true)
}

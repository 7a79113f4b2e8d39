import { loadSsh2 } from './ssh2.ts'

/** A new Ed25519 key: the text of the private key file, and the line for authorized_keys. */
export const newKey = async (comment: string): Promise<{ readonly privateKey: string; readonly publicKey: string }> => {
  const { utils } = await loadSsh2()
  const { private: privateKey, public: publicKey } = utils.generateKeyPairSync('ed25519', { comment })
  return { privateKey: `${privateKey.trimEnd()}\n`, publicKey }
}

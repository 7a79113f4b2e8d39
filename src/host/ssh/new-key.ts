import { loadSsh2 } from './ssh2.ts'

/** A new Ed25519 key: the text of the private key file, and the line for authorized_keys. */
export const newKey = async (comment: string): Promise<{ readonly privateKey: string; readonly publicKey: string }> => {
  const { utils } = await loadSsh2()
  // One in 256 keys that ssh2 1.17 generates is malformed: that of a public key with a zero byte in front.
  for (;;) {
    const { private: privateKey, public: publicKey } = utils.generateKeyPairSync('ed25519', { comment })
    if (!(utils.parseKey(privateKey) instanceof Error)) return { privateKey: `${privateKey.trimEnd()}\n`, publicKey }
  }
}

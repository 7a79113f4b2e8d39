import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MAX_KEY_BYTES, readKeyring } from '../../../../src/resource/apt/openpgp.ts'

const keyOf = (name: string): string => readFileSync(new URL(`../../../fixtures/openpgp/${name}.asc`, import.meta.url), 'utf8')
const binary = (armored: string): Buffer => Buffer.from(armored.replace(/-----.*-----\n/g, '').replace(/^=.{4}$/m, ''), 'base64')
const [REPO, OTHER] = [keyOf('repo'), keyOf('other')]
// As gpg prints them.
const [REPO_PRINT, OTHER_PRINT] = ['F20B9ACCDDFA85B7541A84075763F951B24134AF', '945CF0110FCF47823623696029040A9FEE861283']
const read = (bytes: string | Uint8Array) => readKeyring(Buffer.from(bytes))
const packet = (tag: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from([0xc0 | tag, 255, 0, 0, 0, body.length]), body])
const bodyOf = (version: number): Buffer => Buffer.from([version, 1, 2, 3, 4, 22])

describe('a file of public keys', () => {
  it('has the fingerprints that gpg prints, armored or binary', () => {
    expect(read(REPO).fingerprints).toEqual([REPO_PRINT])
    expect(read(binary(OTHER)).fingerprints).toEqual([OTHER_PRINT])
    expect(read(binary(OTHER)).armored).toBe(read(OTHER).armored)
  })

  it('may have several keys, in one block or several, with headers, checksums and Windows line ends', () => {
    const both = [REPO_PRINT, OTHER_PRINT]
    expect(read(`${REPO}text between\n${OTHER}`).fingerprints).toEqual(both)
    expect(read(Buffer.concat([binary(REPO), binary(OTHER)])).fingerprints).toEqual(both)
    expect(read(REPO.replace('\n\n', '\nVersion: GnuPG v2\nComment: x\n\n').replaceAll('\n', '\r\n')).fingerprints).toEqual([REPO_PRINT])
  })

  it('is written as one block without what belongs to no key', () => {
    const { armored } = read(Buffer.concat([binary(REPO), packet(12, Buffer.from('trust')), packet(10, Buffer.from('PGP'))]))
    expect(armored).toBe(read(REPO).armored)
    expect(armored).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n([A-Za-z0-9+/=]{1,64}\n)+-----END PGP PUBLIC KEY BLOCK-----\n$/)
    expect(read(armored).fingerprints).toEqual([REPO_PRINT])
  })

  it('may have keys of version 6, with all forms of lengths', () => {
    // RFC 9580, 5.5.4.3: SHA-256 of 0x9b, the length in four octets, and the packet.
    expect(read(packet(6, bodyOf(6))).fingerprints).toEqual(['5C63467D92F4CDBB71899F1B10912FF942F718EC5972E20A0E78A7E60EF15C6C'])
    const long = Buffer.alloc(300, 4)
    const forms = [
      Buffer.from([0xc6, 192, 300 - 192]),
      Buffer.from([0xc6, 255, 0, 0, 1, 44]),
      Buffer.from([0x99, 1, 44]),
      Buffer.from([0x9a, 0, 0, 1, 44]),
    ]
    expect(new Set(forms.map((head) => read(Buffer.concat([head, long])).fingerprints.join()))).toHaveProperty('size', 1)
  })

  it.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'it is empty'],
    ['a page of a web server', '<html>not found</html>', 'it is no OpenPGP key'],
    ['a block without an end', REPO.replace(/-----END.*\n/, ''), 'it has no line -----END PGP PUBLIC KEY BLOCK-----'],
    ['damaged base64', REPO.replace('mDME', 'm*ME'), 'its base64 is damaged'],
    ['a block of nothing', REPO.replace(/\n\n[^-]*/, '\n\n'), 'its base64 is damaged'],
    ['a private key', REPO.replaceAll('PUBLIC', 'PRIVATE'), 'it has a private key'],
    ['a private key in binary form', Buffer.concat([binary(REPO), packet(5, bodyOf(4))]), 'it has a private key'],
    ['a signature alone', packet(2, bodyOf(4)), 'it does not begin with a public key'],
    ['a message beside the key', Buffer.concat([binary(REPO), packet(11, bodyOf(4))]), 'it has a packet of type 11'],
    ['a truncated key', binary(REPO).subarray(0, 40), 'it is truncated'],
    ['a truncated length', Buffer.from([0xc6, 255, 0]), 'it is truncated'],
    ['bytes behind the key', Buffer.concat([binary(REPO), Buffer.from('x')]), 'it has bytes that belong to no packet'],
    ['an unknown length', Buffer.from([0x9b, 4, 4]), 'it has a packet of unknown length'],
    ['a length in parts', Buffer.from([0xc6, 224, 4]), 'it has a packet of unknown length'],
    ['a key of version 3', packet(6, bodyOf(3)), 'it has a key of version 3; versions 4 and 6 are supported'],
    ['too many bytes', Buffer.alloc(MAX_KEY_BYTES + 1), `it has more than ${MAX_KEY_BYTES} bytes`],
  ])('is refused if it is %s', (_, bytes, why) => {
    expect(() => read(bytes)).toThrow(why)
  })
})

import { sh } from '../../shell/sh.ts'
import { type InodeState, inodeWord } from '../kind/inode.ts'
import { digestAt, inodeAt, type KindQuery } from '../kind/queries.ts'
import type { ObservedPath } from '../kind/walk.ts'
import { isPublicKey } from './peers.ts'
import { type MeshSpec, pathsOf } from './spec.ts'

/** Begins the line of a public key's file that has the digest of its private key. */
export const KEY_HEADER = '# key sha256 '

/** An interface of a mesh on a host. The private key itself is never read. */
export interface MeshState {
  readonly key: InodeState
  readonly publicKeyFile: InodeState
  readonly keyDigest: string | undefined
  readonly publicKeyDigest: string | undefined
  /** Undefined if there is none, or if it belongs to another private key. */
  readonly publicKey: string | undefined
  /** Content of the file of peers; undefined if it does not exist. */
  readonly peers: string | undefined
  /** By `digestAt`. */
  readonly peersDigest: string
  /** Digest of the peers that the unit has loaded; undefined if it does not run. */
  readonly loaded: string | undefined
}

/** Observes meshes by shared queries only, without a process. */
export const observeMeshes = (specs: readonly MeshSpec[]): KindQuery<MeshState> => {
  const all = specs.map((spec) => ({ id: spec.interface, ...pathsOf(spec.interface) }))
  return {
    shared: {
      inodes: all.flatMap(({ key, publicKey, peers }) => [key, publicKey, peers]),
      digests: all.flatMap(({ key, publicKey, peers }) => [key, publicKey, peers]),
      texts: all.flatMap(({ publicKey, peers, loaded }) => [publicKey, peers, loaded]),
    },
    script: sh``,
    parse: (_, answers) =>
      new Map(
        all.map(({ id, key, publicKey, peers, loaded }) => {
          const [found, ...more] = answers.texts.get(publicKey) ?? []
          const keyDigest = answers.digests.get(key)
          const isOfKey = keyDigest !== undefined && more.includes(`${KEY_HEADER}${keyDigest}`)
          const state: MeshState = {
            key: inodeAt(answers, key),
            publicKeyFile: inodeAt(answers, publicKey),
            keyDigest,
            publicKeyDigest: answers.digests.get(publicKey),
            publicKey: isOfKey && isPublicKey(found) ? found : undefined,
            peers: answers.texts
              .get(peers)
              ?.map((line) => `${line}\n`)
              .join(''),
            peersDigest: digestAt(answers, peers),
            loaded: answers.texts.get(loaded)?.[0],
          }
          return [id, state]
        }),
      ),
  }
}

/** The pair of keys as it was observed. */
export const observedKeys = (name: string, state: MeshState): readonly ObservedPath[] => [
  { path: pathsOf(name).key, inode: inodeWord(state.key), sha256: state.keyDigest },
  { path: pathsOf(name).publicKey, inode: inodeWord(state.publicKeyFile), sha256: state.publicKeyDigest },
]

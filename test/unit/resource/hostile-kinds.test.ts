import { expect, it } from 'vitest'
import { EXEMPT, TARGETS } from '../../e2e/support/hostile/kinds.ts'
import { everything } from '../hostile/every-kind.ts'
import { allKinds } from './all-kinds.ts'

const played = TARGETS.flatMap(({ kinds }) => kinds)

it('every kind is attacked on a lab host, or exempt for a reason', () => {
  const missing = [...allKinds.keys()].filter((name) => !played.includes(name) && EXEMPT[name] === undefined)
  expect(missing).toEqual([])
})

it('no kind is attacked and exempt, and no name is of a kind that does not exist', () => {
  expect(Object.keys(EXEMPT).filter((name) => played.includes(name) || !allKinds.has(name))).toEqual([])
  expect(played.filter((name) => !allKinds.has(name) && name !== 'orphan')).toEqual([])
})

it('an exempt kind uses only directories of root', () => {
  const paths = everything
    .filter(({ kind }) => EXEMPT[kind.name] !== undefined)
    .flatMap(({ kind, spec }) => {
      const { inodes = [], trees = [], digests = [], texts = [], patterns = [] } = kind.observe([spec as never]).shared ?? {}
      return [...inodes, ...trees, ...digests, ...texts, ...patterns]
    })
  expect(
    paths.filter(
      (path) =>
        !/^\/(etc|usr\/lib|usr\/bin|usr\/sbin|run\/provision|run\/provision-wireguard|var\/lib\/provision|var\/lib\/dpkg|run\/sysctl\.d|proc|sys)\/|^\/run\/(reboot-required(\.pkgs)?|systemd\/container)$/.test(
          path,
        ),
    ),
  ).toEqual([])
})

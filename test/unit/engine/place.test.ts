import { describe, expect, it } from 'vitest'
import { mergeDeclared } from '../../../src/engine/plan/declared.ts'
import { file } from '../../../src/resource/file/file.ts'
import { text } from '../../../src/resource/kind/content.ts'
import { Secret } from '../../../src/secret/secret.ts'

const at = (role: string, options: Parameters<typeof file>[0], play = 0) => ({ play, role, resource: file(options) })

describe('merging declared resources', () => {
  it('keeps the first of two identical declarations', () => {
    const united = mergeDeclared('web-01', [
      at('a', { path: '/etc/motd', content: 'x' }),
      at('b', { path: '/etc/issue' }),
      at('b', { path: '/etc/motd', content: 'x' }, 1),
    ])
    expect(united.map(({ role, resource }) => `${role} ${resource.id}`)).toEqual(['a /etc/motd', 'b /etc/issue'])
  })

  it.each([
    ['other content', { path: '/etc/motd', content: 'y' }],
    ['another mode', { path: '/etc/motd', content: 'x', mode: '600' }],
  ])('refuses a contradiction: %s', (_, second) => {
    expect(() => mergeDeclared('web-01', [at('a', { path: '/etc/motd', content: 'x' }), at('b', second)])).toThrow(
      /web-01 › file:\/etc\/motd: roles a and b declare this resource with different values/,
    )
  })

  it('distinguishes two secrets without showing them', () => {
    const one = at('a', { path: '/etc/key', mode: '600', content: text`${new Secret('poison-1')}` })
    const other = at('b', { path: '/etc/key', mode: '600', content: text`${new Secret('poison-2')}` })
    let message = ''
    try {
      mergeDeclared('web-01', [one, other])
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain('with different values')
    expect(message).not.toContain('poison')
  })
})

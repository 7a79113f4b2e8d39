import { expect, it } from 'vitest'
import { passwordHash } from '../../../../src/resource/account/password.ts'
import { Secret } from '../../../../src/secret/secret.ts'

// By `openssl passwd -6`: shorter and longer than a digest, and with bytes above 127.
it.each([
  ['a', 'x', '2d711642b726b044$J7IKZ8tSJ6ke/y.LkcEZyBnMK3h5lsgipiGXil1q1dLA2FSiJUlXHNmKBJEhehNNU6rHQIFbN9Up9JpZVAjOF.'],
  ['q'.repeat(65), 'z', '594e519ae499312b$6ALSskccC3OzHiJN7mgGvLiPP2oeOaXbiQlU2b78zaDEYqzRt9.ONaUyA8ReyYwrGeLgNcmGAaW3Si6PD8eJb0'],
  ['pässwörd', 'y', 'a1fce4363854ff88$r1sUDIjd9mk72mbvy2XkFB//oqOw0gA1BV3mWxMFGQt5w6I2f4LTCoroDQDMkse8DdMh6wqlbGH3wDsSicns2.'],
])('the digest of a password is the one that crypt(3) verifies: %s', (password, purpose, digest) => {
  expect(passwordHash(new Secret(password), purpose).reveal()).toBe(`$6$${digest}`)
})

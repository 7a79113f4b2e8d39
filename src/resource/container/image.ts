import { z } from 'zod'

const HOST = '(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[0-9]{1,5})?'
const PATH = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const IMAGE = new RegExp(`^${HOST}(?:/${PATH})+(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$`)

/** The complete name of an image: with its registry, and with a tag or a digest. */
export const imageName = z
  .string()
  .regex(IMAGE, 'must have a registry, and a tag or a digest, such as docker.io/library/nginx:1.27 or quay.io/shop/web@sha256:…')
  .refine(
    (name) => /[.:]/.test(name.split('/', 1)[0] ?? '') || name.startsWith('localhost/'),
    'must begin with a registry such as docker.io',
  )

/** Whether the name has a digest: it then is the same image forever. */
export const hasDigest = (image: string): boolean => image.includes('@sha256:')

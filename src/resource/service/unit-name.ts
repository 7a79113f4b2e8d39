import { z } from 'zod'

/** The name of a systemd unit with its suffix, as systemd.unit(5) allows it. */
export const unitName = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9:_.\\][A-Za-z0-9:_.@\\-]*\.(service|socket|timer|path|mount|automount|swap|target|slice)$/,
    'must be a unit with its suffix, such as nginx.service',
  )

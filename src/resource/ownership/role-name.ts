/**
 * Returns the name of a file on hosts for a role. A role of a package has characters that a file name cannot have (`/`) or that separate it
 * from the name of a host (`@`); a name that ends with `.new` would be that of a file being written.
 */
export const fileNameOf = (role: string): string => role.replace(/[@/]/g, (sign) => encodeURIComponent(sign)).replace(/\.new$/, '%2Enew')

/** Returns the role of a file on hosts. */
export const roleOf = (fileName: string): string => fileName.replace(/%(40|2F)|%2E(?=new$)/g, (code) => decodeURIComponent(code))

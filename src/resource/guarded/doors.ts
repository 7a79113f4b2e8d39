/** Files that decide whether an account may log in through sshd, or become root by sudo, apart from the rules of sudo. */
const LOGIN_FILES = [
  // ssh_config and ssh_known_hosts are those of clients.
  /^\/etc\/ssh\/(?!ssh_|moduli$)./,
  /^\/etc\/(pam\.d|security|sssd)\/./,
  /^\/etc\/(passwd|shadow|group|gshadow|shells|nologin|login\.defs|nsswitch\.conf|hosts\.(allow|deny)|environment|ld\.so\.preload)$/,
  /^\/etc\/(pam|sudo|krb5)\.conf$/,
  // Read by every command of an account with the shell bash.
  /^\/etc\/(bash\.bashrc|zsh\/zshenv)$/,
]

export const isLoginFile = (path: string): boolean => LOGIN_FILES.some((pattern) => pattern.test(path))

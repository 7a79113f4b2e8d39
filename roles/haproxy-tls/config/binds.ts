export const binds = (port: number, rest: string, ipv6: boolean): readonly string[] => [
  `bind :${port}${rest}`,
  ...(ipv6 ? [`bind :::${port} v6only${rest}`] : []),
]

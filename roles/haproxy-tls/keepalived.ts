export interface Instance {
  readonly host: string
  readonly interface: string
  readonly id: number
  readonly priority: number
  /** Our own address and those of the other balancers, of one family. */
  readonly own: string
  readonly peers: readonly string[]
  /** With their prefixes. All go together; those of the peers' family come first. */
  readonly virtual: readonly string[]
}

/** The file that HAProxy's life is asked by, as one to whom nothing belongs. */
export const CHECK = '/etc/keepalived/haproxy-alive'

/** What HAProxy answers that with, on port 80, and does not log. */
export const ALIVE = '/.provision/alive'

/** The whole of keepalived.conf. */
export const keepalivedConfig = ({ host, interface: at, id, priority, own, peers, virtual }: Instance): string => {
  const isPlain = (address: string): boolean => address.includes(':') === own.includes(':')
  const addresses = (all: readonly string[]): string => all.map((address) => `        ${address} dev ${at}\n`).join('')
  const others = virtual.filter((address) => !isPlain(address))
  return `# Written by provision.
global_defs {
    router_id ${host}
    vrrp_version 3
    enable_script_security
    script_user nobody nogroup
}

vrrp_script haproxy {
    script ${CHECK}
    interval 1
    timeout 2
    fall 2
    rise 2
}

vrrp_instance provision {
    # Whoever holds the addresses keeps them while it lives: each move costs the visitors their connections.
    state BACKUP
    nopreempt
    interface ${at}
    virtual_router_id ${id}
    priority ${priority}
    advert_int 1
    garp_master_refresh 60
    unicast_src_ip ${own}
    unicast_peer {
${peers.map((peer) => `        ${peer}\n`).join('')}    }
    virtual_ipaddress {
${addresses(virtual.filter(isPlain))}    }
${others.length === 0 ? '' : `    # Of the other family: they go with those above.\n    virtual_ipaddress_excluded {\n${addresses(others)}    }\n`}    track_script {
        haproxy
    }
}
`
}

/** A HAProxy that accepts connections and does not answer is as good as none. */
export const CHECK_TEXT = `#!/bin/bash
# Written by provision.
exec 3<>/dev/tcp/127.0.0.1/80 || exit 1
printf 'GET ${ALIVE} HTTP/1.0\\r\\n\\r\\n' >&3
read -r -t 1 -u 3 line && [[ $line == HTTP/1.?' 200 '* ]]
`

/** Waits until one of the balancers answers at an address: a certificate may be ordered through it next. */
export const waitCommand = (address: string): string =>
  `-/usr/bin/timeout 15 /usr/bin/bash -c 'until (: <>/dev/tcp/${address}/80) 2>/dev/null; do sleep 0.2; done'`

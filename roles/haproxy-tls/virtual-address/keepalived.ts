export interface Instance {
  readonly host: string
  readonly interface: string
  readonly id: number
  readonly priority: number
  /** Own address; the addresses of the other balancers are of the same family. */
  readonly own: string
  readonly peers: readonly string[]
  /** Addresses with their prefix lengths. They move together; those of the peers' family come first. */
  readonly virtual: readonly string[]
}

/** Path of the script that checks HAProxy. It runs as nobody. */
export const CHECK = '/etc/keepalived/haproxy-alive'

/** URL path of the check on port 80. HAProxy answers it without logging. */
export const ALIVE = '/.provision/alive'

/** Content of keepalived.conf. */
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
    # A healthy holder keeps the addresses, because each move breaks the connections of visitors.
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
${others.length === 0 ? '' : `    # Addresses of the other family, which move with those above.\n    virtual_ipaddress_excluded {\n${addresses(others)}    }\n`}    track_script {
        haproxy
    }
}
`
}

/** Content of the script. The check requires a response, because a hanging HAProxy may still accept connections. */
export const CHECK_TEXT = `#!/bin/bash
# Written by provision.
exec 3<>/dev/tcp/127.0.0.1/80 || exit 1
printf 'GET ${ALIVE} HTTP/1.0\\r\\n\\r\\n' >&3
read -r -t 1 -u 3 line && [[ $line == HTTP/1.?' 200 '* ]]
`

/** Command that waits until a balancer answers at the address, because a certificate may be validated through it next. */
export const waitCommand = (address: string): string =>
  `-/usr/bin/timeout 15 /usr/bin/bash -c 'until (: <>/dev/tcp/${address}/80) 2>/dev/null; do sleep 0.2; done'`

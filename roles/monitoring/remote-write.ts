import { file, type HostContext, projectFile, type Resource } from 'provision'
import { clientSettings } from './options/access.ts'
import type { Options } from './options.ts'
import type { Yaml } from './yaml.ts'

const authorityPath = (i: number): string => `/etc/prometheus/provision/remote-write-${i + 1}.pem`

const NO_PEM = 'put the PEM file of the authority there, or correct `ca_file` of the store'

/** Authorities of the stores. */
export const storeAuthorities = (context: HostContext<Options>): readonly Resource[] =>
  context.options.remote_write.flatMap(({ ca_file }, i) =>
    ca_file === undefined ? [] : [file({ path: authorityPath(i), content: projectFile(context, ca_file, NO_PEM) })],
  )

/** Settings of Prometheus for the stores that get its measurements. */
export const remoteWrites = ({ options, host }: HostContext<Options>): readonly Yaml[] =>
  options.remote_write.map(({ url, auth, ca_file, metrics }, i) => ({
    url,
    ...clientSettings(auth, ca_file === undefined ? undefined : authorityPath(i)),
    write_relabel_configs: [
      ...(metrics === undefined ? [] : [{ source_labels: ['__name__'], regex: metrics, action: 'keep' }]),
      // Several monitoring servers send the same series. A label of all measurements would make their alerts different.
      { target_label: 'monitoring_server', replacement: host.name },
    ],
  }))

import type { HostContext, Resource } from 'provision'
import { authorityFiles, authorityPath } from './authorities.ts'
import { clientSettings } from './options/access.ts'
import type { Options } from './options.ts'
import type { Yaml } from './yaml.ts'

const authorityId = (i: number): string => `remote-write-${i + 1}`

/** Authorities of the stores. */
export const storeAuthorities = (context: HostContext<Options>): readonly Resource[] =>
  context.options.remote_write.flatMap(({ ca_file }, i) => authorityFiles(context, authorityId(i), 'store', ca_file))

/** Settings of Prometheus for the stores that get its measurements. */
export const remoteWrites = ({ options, host }: HostContext<Options>): readonly Yaml[] =>
  options.remote_write.map(({ url, auth, ca_file, metrics }, i) => ({
    url,
    ...clientSettings(auth, authorityPath(authorityId(i), ca_file)),
    write_relabel_configs: [
      ...(metrics === undefined ? [] : [{ source_labels: ['__name__'], regex: metrics, action: 'keep' }]),
      // Several monitoring servers send the same series. A label of all measurements would make their alerts different.
      { target_label: 'monitoring_server', replacement: host.name },
    ],
  }))

import { file, type HostContext, projectFile, type Resource } from 'provision'

/** Path on the host of the authority of another server; undefined without a `ca_file`. The identifier is unique among the options: `probe-1`. */
export const authorityPath = (id: string, ca_file: string | undefined): string | undefined =>
  ca_file === undefined ? undefined : `/etc/prometheus/provision/${id}.pem`

/** The file at this path, from the project. `of` names the entry of the options in an error. */
export const authorityFiles = (
  context: Pick<HostContext<unknown>, 'files'>,
  id: string,
  of: string,
  ca_file: string | undefined,
): readonly Resource[] => {
  const path = authorityPath(id, ca_file)
  if (path === undefined || ca_file === undefined) return []
  return [
    file({ path, content: projectFile(context, ca_file, `put the PEM file of the authority there, or correct \`ca_file\` of the ${of}`) }),
  ]
}

import { type Resource, service, unit } from 'provision'

/** Lines of a unit for a program whose output the node exporter reads at `PATH.prom` once the program has succeeded. */
export const printing = (
  program: string,
  path: string,
): string => `# systemd opens the file that the script prints to. The script itself cannot write to that directory.
ExecStartPre=!/bin/rm -f ${path}.new
ExecStart=${program}
ExecStartPost=!/bin/mv -f ${path}.new ${path}.prom
StandardOutput=append:${path}.new
StandardError=journal`

interface Job {
  /** Name of both units, without a suffix. */
  readonly name: string
  /** Content of the service. */
  readonly content: string
  /** Description of the timer. */
  readonly description: string
  /** Seconds between the end of a run and the next one. */
  readonly seconds: number
}

/** A service, and a timer that starts it again some time after it ended. */
export const repeatedJob = ({ name, content, description, seconds }: Job): readonly Resource[] => {
  const timer = unit({
    name: `${name}.timer`,
    content: `# Written by provision (role monitoring).
[Unit]
Description=${description}

[Timer]
OnActiveSec=1s
OnUnitInactiveSec=${seconds}s
AccuracySec=1s

[Install]
WantedBy=timers.target
`,
  })
  return [unit({ name: `${name}.service`, content }), timer, service({ unit: `${name}.timer`, restarts: [timer], reload: 'restart' })]
}

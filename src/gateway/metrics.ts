/** Counters, gauges and histograms in Prometheus' text format; https://prometheus.io/docs/instrumenting/exposition_formats. */
export type Metrics = {
  /** Adds to a counter. The labels must come from a fixed, small set. */
  add(name: string, labels: Labels, amount?: number): void
  /** Records one value of a histogram, in seconds. */
  observe(name: string, labels: Labels, seconds: number): void
  /** Everything as text; `gauges` are values read at this moment. */
  text(gauges: Readonly<Record<string, number>>): string
}

type Labels = Readonly<Record<string, string | number>>

/** Starts counting; `help` describes every name, and only those may be used. */
export function metrics(help: Readonly<Record<string, string>>): Metrics {
  const counters = new Map<string, Map<string, number>>()
  const histograms = new Map<string, Map<string, Histogram>>()
  return {
    add(name, labels, amount = 1) {
      const series = within(counters, name)
      const key = labelText(labels)
      series.set(key, (series.get(key) ?? 0) + amount)
    },
    observe(name, labels, seconds) {
      const series = within(histograms, name)
      const key = labelText(labels)
      const found = series.get(key) ?? { counts: bounds.map(() => 0), count: 0, sum: 0 }
      series.set(key, found)
      bounds.forEach((bound, i) => void (seconds <= bound && found.counts[i]!++))
      found.count++
      found.sum += seconds
    },
    text(gauges) {
      const lines: string[] = []
      const title = (name: string, type: string) =>
        lines.push(`# HELP ${name} ${help[name] ?? name}`, `# TYPE ${name} ${type}`)
      for (const [name, series] of counters) {
        title(name, 'counter')
        for (const [labels, value] of series) lines.push(`${name}${braced(labels)} ${value}`)
      }
      for (const [name, value] of Object.entries(gauges)) {
        title(name, 'gauge')
        lines.push(`${name} ${value}`)
      }
      for (const [name, series] of histograms) {
        title(name, 'histogram')
        for (const [labels, found] of series) lines.push(...histogramLines(name, labels, found))
      }
      return `${lines.join('\n')}\n`
    },
  }
}

type Histogram = { readonly counts: number[]; count: number; sum: number }

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

function histogramLines(name: string, labels: string, { counts, count, sum }: Histogram) {
  const rest = labels === '' ? '' : `,${labels}`
  return [
    ...bounds.map((bound, i) => `${name}_bucket{le="${bound}"${rest}} ${counts[i]}`),
    `${name}_bucket{le="+Inf"${rest}} ${count}`,
    `${name}_sum${braced(labels)} ${sum}`,
    `${name}_count${braced(labels)} ${count}`,
  ]
}

function within<value>(map: Map<string, Map<string, value>>, name: string): Map<string, value> {
  const found = map.get(name) ?? new Map<string, value>()
  map.set(name, found)
  return found
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, '_')}"`)
    .join(',')
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}

/** A way of training in the plot: what it sends, and the held-out loss of each seed. */
export type Point = {
  readonly series: string
  readonly label: string
  readonly bytesPerToken: number
  readonly losses: readonly number[]
}

/** Held-out loss against bytes a worker and token, as SVG: a mark a point, its bar from the least to the greatest seed. */
export function frontierChart(points: readonly Point[]): string {
  const logs = points.map(({ bytesPerToken }) => Math.log10(bytesPerToken))
  const all = points.flatMap(({ losses }) => losses)
  const [left, right] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))]
  const [low, high] = [Math.min(...all) - 0.01, Math.max(...all) + 0.01]
  const x = (bytes: number) => 60 + (560 * (Math.log10(bytes) - left)) / (right - left)
  const y = (loss: number) => 20 + (300 * (high - loss)) / (high - low)
  const series = [...new Set(points.map((each) => each.series))]
  const decades = Array.from({ length: right - left + 1 }, (_, at) => left + at)
  const ticks = Array.from({ length: 6 }, (_, at) => low + ((high - low) * at) / 5)
  const at = (value: number) => value.toFixed(1)
  const labels: Label[] = []
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 390" font-family="system-ui, sans-serif" font-size="11">',
    '<rect width="660" height="390" fill="#fff"/>',
    ...decades.map((decade) => {
      const place = at(x(10 ** decade))
      const name = decade < 0 ? (10 ** decade).toFixed(-decade) : String(10 ** decade)
      return `<path d="M${place} 20V320" stroke="#ddd"/><text x="${place}" y="336" text-anchor="middle" fill="#555">${name}</text>`
    }),
    ...ticks.map(
      (tick) =>
        `<path d="M60 ${at(y(tick))}H620" stroke="#eee"/><text x="54" y="${at(y(tick) + 4)}" text-anchor="end" fill="#555">${tick.toFixed(3)}</text>`,
    ),
    '<text x="340" y="354" text-anchor="middle" fill="#333">bytes sent and received, a worker and token (logarithmic)</text>',
    '<text x="60" y="13" fill="#333">held-out loss, nats a byte; bars span the seeds; labels are workers x H x rows</text>',
    ...points.map(({ series: name, label, bytesPerToken, losses }) => {
      const colour = colours[series.indexOf(name) % colours.length]
      const middle = losses.reduce((sum, each) => sum + each, 0) / losses.length
      const place = at(x(bytesPerToken))
      const bar = `M${place} ${at(y(Math.max(...losses)))}V${at(y(Math.min(...losses)))}`
      const width = 6 * label.length
      const mark = { x: x(bytesPerToken), y: y(middle) }
      const choices = sides.map((side) => labelAt(mark, side, width))
      const text =
        choices.find((each) => labels.every((other) => !meet(each, other))) ?? choices[0]!
      labels.push(text)
      return `<g stroke="${colour}" fill="${colour}"><path d="${bar}"/><circle cx="${place}" cy="${at(mark.y)}" r="4"/><text x="${at(text.x)}" y="${at(text.y)}" stroke="none">${label}</text></g>`
    }),
    ...series.map((name, index) => {
      const place = 60 + index * 140
      return `<circle cx="${place}" cy="374" r="4" fill="${colours[index % colours.length]}"/><text x="${place + 9}" y="378" fill="#333">${name}</text>`
    }),
    '</svg>',
    '',
  ].join('\n')
}

type Label = { readonly x: number; readonly y: number; readonly width: number }

/** Where a label may stand beside its mark, the best place first: right or left, above or below. */
const sides = [
  [1, -6],
  [1, 14],
  [-1, -6],
  [-1, 14],
] as const

function labelAt(
  mark: { x: number; y: number },
  [side, down]: (typeof sides)[number],
  width: number,
) {
  return { x: side > 0 ? mark.x + 7 : mark.x - 7 - width, y: mark.y + down, width }
}

function meet(a: Label, b: Label): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < 11
}

const colours = ['#4269d0', '#efb118', '#6cc5b0', '#ff725c', '#a463f2']

import { useEffect, useMemo, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { axisStyle, useDark } from './Chart.tsx'

export type Curve = {
  readonly label: string
  /** Name of the CSS colour. */
  readonly colour: string
  /** The one that matters most is thicker. */
  readonly strong?: boolean
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Several curves over one axis and one scale. `summary` says in words what the picture shows. */
export function Curves(props: {
  curves: readonly Curve[]
  /** What stands on the axis below. */
  across: string
  formatAcross: (value: number) => string
  summary: string
  height?: number
}) {
  const { curves, across, formatAcross, summary, height = 300 } = props
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const dark = useDark()
  const data = useMemo(() => aligned(curves), [curves])
  const shape = `${across} ${curves.map(({ label, colour }) => `${label} ${colour}`).join()}`
  useEffect(() => {
    const element = box.current
    if (!element) return
    const made = new uPlot(optionsOf(element, { curves, formatAcross, height }), data, element)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [dark, height, shape])
  useEffect(() => plot.current?.setData(data), [data])
  return (
    <figure class="chart">
      <div ref={box} aria-hidden="true" style={{ minHeight: `${height}px` }} />
      <figcaption>
        <p class="across" aria-hidden="true">
          {across}
        </p>
        <span class="legend" aria-hidden="true">
          {curves.map(({ label, colour, strong }) => (
            <span key={label}>
              <i class={strong ? 'key strong' : 'key'} style={{ background: `var(--${colour})` }} />{' '}
              {label}
            </span>
          ))}
        </span>
        <span class="hidden">{summary}</span>
      </figcaption>
    </figure>
  )
}

/** All curves over the places of all; where one has no point, its line goes on to its next. */
function aligned(curves: readonly Curve[]): uPlot.AlignedData {
  const places = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].toSorted(
    (a, b) => a - b,
  )
  return [
    places,
    ...curves.map(({ points }) => {
      const at = new Map(points)
      return places.map((x) => at.get(x) ?? null)
    }),
  ]
}

function optionsOf(
  element: HTMLElement,
  {
    curves,
    formatAcross,
    height,
  }: Pick<Parameters<typeof Curves>[0], 'curves' | 'formatAcross'> & { height: number },
): uPlot.Options {
  const { axis, colour } = axisStyle()
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 12, 0, 0],
    scales: { x: { time: false }, y: { range: around } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 70,
        size: 26,
        values: (_, values) => values.map(formatAcross),
      },
      { ...axis, size: 44, values: (_, values) => values.map((value) => value.toFixed(1)) },
    ],
    series: [
      {},
      ...curves.map(({ label, colour: name, strong = false }) => ({
        label,
        stroke: colour(name),
        width: strong ? 3 : 1.5,
        spanGaps: true,
        points: { show: strong, size: 5, fill: colour('card'), stroke: colour(name), width: 1.5 },
      })),
    ],
  }
}

/** A little room above and below; nothing has some, too. */
function around(_: uPlot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  const room = Math.max(0.05, (high - low) * 0.06)
  return [Math.max(0, low - room), high + room]
}

import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { clockTime } from '../format.ts'

export type Series = {
  readonly label: string
  readonly values: readonly number[]
  /** Name of the CSS colour. */
  readonly colour: string
  readonly shape: 'bars' | 'line' | 'steps'
  readonly format: (value: number) => string
}

/** Numbers over time. `summary` says in words what the picture shows. */
export function Chart(props: {
  times: readonly number[]
  series: readonly Series[]
  summary: string
  height?: number
}) {
  const { times, series, summary, height = 190 } = props
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const dark = useDark()
  useEffect(() => {
    const element = box.current
    if (!element) return
    const made = new uPlot(optionsOf(element, series, height), dataOf(times, series), element)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [dark, height])
  useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series])
  return (
    <figure class="chart">
      <div ref={box} aria-hidden="true" style={{ minHeight: `${height}px` }} />
      <figcaption>
        <span class="legend" aria-hidden="true">
          {series.map(({ label, colour }) => (
            <span key={label}>
              <i class="key" style={{ background: `var(--${colour})` }} /> {label}
            </span>
          ))}
        </span>
        <span class="hidden">{summary}</span>
      </figcaption>
    </figure>
  )
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [times.map((at) => at / 1000), ...series.map(({ values }) => [...values])]
}

function optionsOf(element: HTMLElement, series: readonly Series[], height: number): uPlot.Options {
  const { axis, colour } = axisStyle()
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 8, 0, 0],
    scales: scalesOf(series),
    axes: [
      {
        ...axis,
        grid: { show: false },
        space: 80,
        size: 26,
        values: (_, at) => at.map((second) => clockTime(second * 1000).slice(0, 5)),
      },
      ...series.map(({ format, label }, index) => ({
        ...axis,
        scale: label,
        side: index === 0 ? 3 : 1,
        size: 56,
        grid: { ...axis.grid, show: index === 0 },
        show: index < 2,
        values: (_: uPlot, values: number[]) => values.map(format),
      })),
    ],
    series: [
      {},
      ...series.map(({ label, colour: name, shape }) => {
        const fill =
          shape === 'line' ? {} : { fill: `${colour(name)}${shape === 'bars' ? '' : '22'}` }
        const paths =
          shape === 'bars'
            ? uPlot.paths.bars!({ size: [0.7, 24], radius: 0.25 })
            : shape === 'steps'
              ? uPlot.paths.stepped!({ align: 1 })
              : uPlot.paths.linear!()
        return {
          label,
          scale: label,
          stroke: colour(name),
          width: shape === 'bars' ? 0 : 2,
          points: { show: false },
          paths,
          ...fill,
        }
      }),
    ],
  }
}

/** How axes look, and the colours of the page by name. */
export function axisStyle() {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('muted'),
    font: `12px ${style.getPropertyValue('--sans')}`,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  }
  return { axis, colour }
}

/** Each series has its own scale from zero; a flat zero still has a height. */
function scalesOf(series: readonly Series[]): uPlot.Scales {
  return Object.fromEntries(
    series.map(({ label }) => [
      label,
      { range: (_: uPlot, __: number, most: number) => [0, most > 0 ? most * 1.1 : 1] },
    ]),
  ) as uPlot.Scales
}

/** Whether the reader's system is dark. */
export function useDark(): boolean {
  const query = matchMedia('(prefers-color-scheme: dark)')
  const [dark, setDark] = useState(query.matches)
  useEffect(() => {
    const follow = () => setDark(query.matches)
    query.addEventListener('change', follow)
    return () => query.removeEventListener('change', follow)
  }, [])
  return dark
}

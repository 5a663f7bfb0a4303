/**
 * The loss of a run as a picture: what each step had, faint, and their course, bold. It follows the reader's
 * light or dark mode and scales to any size.
 *
 * @param losses one a step, in nats; what is no number leaves a gap.
 * @param title stands above; from anyone, so it is escaped.
 */
export function lossChart(losses: readonly number[], { title }: { title: string }): string {
  const finite = losses.filter(Number.isFinite)
  // Not as arguments: a long run has more losses than a call takes.
  const least = finite.reduce((a, b) => Math.min(a, b), Infinity)
  const greatest = finite.reduce((a, b) => Math.max(a, b), -Infinity)
  const y = scaleOf(least, greatest)
  const x = scaleOf(0, Math.max(1, losses.length))
  const left = (step: number) => plot.left + (step / x.end) * plot.width
  const top = (loss: number) => plot.top + ((y.end - loss) / (y.end - y.begin)) * plot.height
  const line = (values: readonly number[]) => pathOf(values, left, top)
  const last = smoothed(losses).findLast(Number.isFinite)
  const rows = y.ticks.map(
    (tick) =>
      `<path class="grid" d="M${plot.left} ${round(top(tick))}H${right}"/>` +
      `<text x="${plot.left - 10}" y="${round(top(tick) + 4)}" text-anchor="end">${tick}</text>`,
  )
  const columns = x.ticks.map(
    (tick) => `<text x="${round(left(tick))}" y="${foot + 22}" text-anchor="middle">${tick}</text>`,
  )
  const end =
    last === undefined
      ? ''
      : `<circle cx="${round(left(losses.length))}" cy="${round(top(last))}" r="4"/>` +
        `<text class="end" x="${right}" y="34" text-anchor="end">${last.toFixed(3)} in the end</text>`
  const outcome = last === undefined ? '' : `, ${last.toFixed(3)} nats a token in the end`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-labelledby="title about">
<title id="title">${escaped(title)}</title>
<desc id="about">Training loss over ${losses.length} steps${outcome}.</desc>
<style>${style}</style>
<rect class="page" width="${size.width}" height="${size.height}" rx="8"/>
<text class="title" x="${plot.left}" y="34">${escaped(title)}</text>
<text x="${plot.left}" y="54">loss, nats a token</text>
${[...rows, ...columns].join('\n')}
<text x="${right}" y="${foot + 40}" text-anchor="end">steps</text>
<path class="axis" d="M${plot.left} ${foot}H${right}"/>
<path class="each" d="${line(losses)}"/>
<path class="course" d="${line(smoothed(losses))}"/>
${end}
</svg>
`
}

const size = { width: 760, height: 420 }
const plot = { left: 64, top: 76, width: 664, height: 280 }
const foot = plot.top + plot.height
const right = plot.left + plot.width
/** More points than this are not told apart. */
const mostPoints = 1328

const style = `
text{font:13px system-ui,sans-serif;fill:#5b6470}
.page{fill:#fff}.title{font-size:17px;font-weight:600;fill:#1c2128}.end{font-weight:600;fill:#1f5fbf}
path{fill:none}.grid{stroke:#e6e9ed}.axis{stroke:#9aa3ad}
.each{stroke:#1f5fbf;stroke-opacity:.28}.course{stroke:#1f5fbf;stroke-width:2.5;stroke-linejoin:round}
circle{fill:#1f5fbf}
@media (prefers-color-scheme:dark){text{fill:#9aa5b1}.page{fill:#14181d}.title{fill:#e8ecf0}.grid{stroke:#262c34}
.axis{stroke:#56606b}.each,.course{stroke:#6ea8ff}circle,.end{fill:#6ea8ff}}
`

/** Round numbers around a range, four to seven steps apart. */
function scaleOf(least: number, greatest: number) {
  const low = Number.isFinite(least) ? least : 0
  const high = Number.isFinite(greatest) && greatest > low ? greatest : low + 1
  const rough = (high - low) / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!
  const begin = Math.floor(low / step) * step
  const count = Math.ceil((high - begin) / step - 1e-9)
  const ticks = Array.from({ length: count + 1 }, (_, at) =>
    Number((begin + at * step).toPrecision(6)),
  )
  return { begin, end: begin + count * step, ticks }
}

/** Each number as the mean of those around it; the longer the run, the more of them. */
function smoothed(losses: readonly number[]): readonly number[] {
  const reach = Math.ceil(losses.length / 40)
  const sums = [0]
  const counts = [0]
  losses.forEach((loss, at) => {
    sums.push(sums[at]! + (Number.isFinite(loss) ? loss : 0))
    counts.push(counts[at]! + (Number.isFinite(loss) ? 1 : 0))
  })
  return losses.map((loss, at) => {
    // As far ahead as back, so that the course of a steep beginning is not moved.
    const begin = Math.max(0, at - reach)
    const end = Math.min(losses.length, at + Math.min(reach, at) + 1)
    if (!Number.isFinite(loss)) return Number.NaN
    return (sums[end]! - sums[begin]!) / (counts[end]! - counts[begin]!)
  })
}

function pathOf(
  values: readonly number[],
  left: (step: number) => number,
  top: (loss: number) => number,
): string {
  const stride = Math.max(1, Math.ceil(values.length / mostPoints))
  let isOn = false
  return values
    .flatMap((value, step) => {
      if (!Number.isFinite(value)) return ((isOn = false), [])
      if (step % stride > 0 && step < values.length - 1) return []
      const command = isOn ? 'L' : 'M'
      isOn = true
      return [`${command}${round(left(step + 1))} ${round(top(value))}`]
    })
    .join('')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  // Control characters may not stand in XML at all.
  return text.replace(/\p{Cc}/gu, ' ').replace(/[&<>"]/g, (character) => names[character]!)
}

import { useMemo, useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { ago, bytes, count, dateTime, short, usd } from '../format.ts'
import { useData } from '../live.ts'
import { type Curve, Curves } from '../parts/Curves.tsx'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { ListPage } from '../parts/ListPage.tsx'
import { Id } from '../parts/Names.tsx'
import { Card, Empty, Tone } from '../parts/Page.tsx'
import { lineColour, lossText, phaseWords } from '../training.ts'

/** Every run of training, newest first, and the losses of some of them side by side. */
export function Trainings() {
  /** Undefined until the reader chooses. */
  const [chosen, setChosen] = useState<readonly string[]>()
  return (
    <ListPage<Api.TrainingRun>
      title="Training"
      lead="One model, trained by machines that need not trust each other. What stands here is folded from the runs' signed logs."
      from="/api/training?limit=50"
      filters={filters}
      above={(runs) => {
        const ids = shownOf(runs, chosen)
        return ids.length > 0 ? <Comparison ids={ids} /> : null
      }}
      table={(runs, now) => (
        <RunsTable
          runs={runs}
          now={now}
          chosen={shownOf(runs, chosen)}
          choose={(id) => setChosen(toggled(shownOf(runs, chosen), id))}
        />
      )}
      empty={(show) =>
        show === '' ? (
          <Empty title="Nothing is being trained.">
            <p>
              Begin with <code>weft train run --data book.txt --network network.json</code>; the run
              appears here, round by round.
            </p>
          </Empty>
        ) : (
          <Empty title="No run is like that." />
        )
      }
    />
  )
}

const filters = [
  ['', 'all'],
  ['running', 'running'],
  ['ended', 'over'],
] as const

/** The runs to compare: those that were chosen, else the newest that have a loss. */
function shownOf(runs: readonly Api.TrainingRun[], chosen: readonly string[] | undefined) {
  return (
    chosen ??
    runs
      .filter(({ loss }) => loss !== null)
      .flatMap(({ id }) => id)
      .slice(0, 3)
  )
}

function toggled(ids: readonly string[], id: string): readonly string[] {
  return ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id].slice(-8)
}

function Comparison({ ids }: { ids: readonly string[] }) {
  const [across, setAcross] = useState<Across>('round')
  const { data } = useData<readonly Api.TrainingCurve[]>(
    `/api/training/curves?runs=${ids.join(',')}`,
  )
  const curves = useMemo(
    () =>
      (data ?? []).map(({ run, points }, index): Curve => ({
        label: `${short(run.id)}, ${lossText(run.loss)}`,
        colour: lineColour(index),
        strong: true,
        points: points.map((point) => [point[across], point.loss] as const),
      })),
    [data, across, ids.join()],
  )
  if (curves.length === 0) return null
  const { words, format } = acrosses[across]
  return (
    <Card
      title="Loss, side by side"
      aside={
        <fieldset class="choice" aria-label="What the runs are compared over">
          {(Object.keys(acrosses) as Across[]).map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="across"
                checked={across === name}
                onChange={() => setAcross(name)}
              />
              <span>{acrosses[name].label}</span>
            </label>
          ))}
        </fieldset>
      }
    >
      <Curves
        curves={curves}
        across={words}
        formatAcross={format}
        summary={`Losses of ${curves.map(({ label }) => label).join('; ')}.`}
      />
    </Card>
  )
}

type Across = 'round' | 'steps' | 'bytes'
const acrosses = {
  round: { label: 'rounds', words: 'rounds in the model', format: count },
  steps: { label: 'steps', words: 'inner steps of all workers', format: count },
  bytes: { label: 'bytes', words: 'bytes of all payloads', format: bytes },
} as const

function RunsTable(props: {
  runs: readonly Api.TrainingRun[]
  now: number
  chosen: readonly string[]
  choose: (id: string) => void
}) {
  const { runs, now, chosen, choose } = props
  const columns: readonly Column<Api.TrainingRun>[] = [
    {
      label: 'Compare',
      cell: ({ id }) => (
        <input
          type="checkbox"
          aria-label={`compare run ${short(id)}`}
          checked={chosen.includes(id)}
          onChange={() => choose(id)}
        />
      ),
    },
    { label: 'Run', phone: 'bare', cell: ({ id }) => <Id view="training" id={id} /> },
    { label: 'State', phone: 'bare wide', cell: (run) => <RunState run={run} /> },
    {
      label: 'Loss',
      number: true,
      cell: ({ firstLoss, loss }) =>
        loss === null ? (
          '—'
        ) : (
          <>
            <span class="muted">{lossText(firstLoss)} →</span> {lossText(loss)}
          </>
        ),
    },
    { label: 'Workers', number: true, cell: ({ workers }) => <Workers of={workers} /> },
    { label: 'Steps', number: true, cell: ({ steps }) => count(steps) },
    { label: 'Payloads', number: true, cell: ({ payloadBytes }) => bytes(payloadBytes) },
    { label: 'Earned', number: true, cell: ({ paid }) => usd(paid) },
    {
      label: 'Began',
      number: true,
      cell: ({ startedAt }) => (
        <time dateTime={new Date(startedAt).toISOString()} title={dateTime(startedAt)}>
          {ago(startedAt, now)}
        </time>
      ),
    },
  ]
  return (
    <DataTable
      caption="Runs of training, newest first"
      columns={columns}
      rows={runs}
      idOf={({ id }) => id}
    />
  )
}

/** How many work, and how many do not any more. */
function Workers({ of: { active, gone, convicted } }: { of: Api.TrainingRun['workers'] }) {
  return (
    <span class="checked">
      {count(active)}
      {gone > 0 && <span class="muted">, {count(gone)} gone</span>}
      {convicted > 0 && <span class="bad">, {count(convicted)} convicted</span>}
    </span>
  )
}

export function RunState({ run }: { run: Api.TrainingRun }) {
  const tone = run.phase === 'ended' ? 'good' : run.phase === 'gathering' ? 'wait' : 'run'
  return (
    <span class={`state ${tone}`}>
      <Tone tone={tone} />
      {phaseWords(run)}
    </span>
  )
}

import { useMemo, useState } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'
import { bytes, clockTime, count, dateTime, percent, short, span, usd } from '../format.ts'
import { useData } from '../live.ts'
import { type Curve, Curves } from '../parts/Curves.tsx'
import { type Column, DataTable } from '../parts/DataTable.tsx'
import { Facts } from '../parts/Facts.tsx'
import { Account } from '../parts/Names.tsx'
import { Card, Empty, Loaded, Page, Tone } from '../parts/Page.tsx'
import { RoundBars } from '../parts/RoundBars.tsx'
import {
  auditWords,
  eventTone,
  eventWords,
  lineColour,
  lossText,
  phaseWords,
  reasonWords,
} from '../training.ts'
import { RunState } from './Trainings.tsx'

/** One run: how its loss falls, who works on it, what went over the wire, and who was dropped and why. */
export function Training({ id }: { id: string }) {
  const detail = useData<Api.TrainingDetail>(`/api/training/${id}`)
  return (
    <Page
      title={`Training ${short(id)}`}
      heading={
        <>
          Training <code title={id}>{short(id)}</code>
        </>
      }
      lead={detail.data && <RunState run={detail.data.run} />}
    >
      <Loaded of={detail}>{(data) => <Body detail={data} />}</Loaded>
    </Page>
  )
}

type Coloured = Api.TrainingWorker & { readonly colour: string }

function Body({ detail }: { detail: Api.TrainingDetail }) {
  const { run, rounds, events } = detail
  const workers = detail.workers.map((worker): Coloured => ({
    ...worker,
    colour: worker.standing === 'convicted' ? 'bad' : lineColour(worker.number),
  }))
  return (
    <>
      <Progress run={run} />
      <div class="columns">
        <div>
          <Card
            title="Loss"
            aside={<p class="aside">nats a token; on held-out data, and each worker's own</p>}
          >
            <Losses rounds={rounds} workers={workers} />
          </Card>
          <Card title="On the wire" aside={<p class="aside">what each worker sent, by round</p>}>
            <RoundBars rounds={rounds} workers={workers} />
          </Card>
        </div>
        <div>
          <Card title="What it came to">
            <Facts of={sumsOf(run)} />
          </Card>
          <Card title="The order">
            <Facts of={orderOf(detail)} />
          </Card>
        </div>
      </div>
      <Card title="Workers">
        {workers.length > 0 ? (
          <DataTable
            caption="Workers of this run"
            columns={workerColumns}
            rows={workers}
            idOf={({ address }) => address}
          />
        ) : (
          <Empty title="Nobody has joined yet.">
            <p>
              Join with <code>weft train join run.json --data FILE</code>.
            </p>
          </Empty>
        )}
      </Card>
      {events.length > 0 && <Events events={events} start={run.startedAt} />}
    </>
  )
}

/** How far it is, as one bar and one sentence. */
function Progress({ run }: { run: Api.TrainingRun }) {
  const { round, rounds, phase, workers } = run
  const share = Math.min(1, round / Math.max(1, rounds))
  const tone = phase === 'ended' ? 'good' : phase === 'gathering' ? 'wait' : 'plain'
  return (
    <div class={`check verdict ${tone}`}>
      <b>
        {count(round)} of {count(rounds)} rounds are in the model.
      </b>{' '}
      {run.firstLoss !== null && run.loss !== null && run.loss !== run.firstLoss && (
        <>
          Its loss went from {lossText(run.firstLoss)} to {lossText(run.loss)}.{' '}
        </>
      )}
      {workers.convicted > 0 &&
        `${workers.convicted === 1 ? 'A liar was' : `${count(workers.convicted)} liars were`} found by audits and convicted. `}
      {phase === 'ended' ? `It is over: ${phaseWords(run)}.` : `Now: ${phaseWords(run)}.`}
      <svg class="flow-bar a" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="flow-rail" width="100" height="6" />
        <rect width={100 * share} height="6" />
      </svg>
    </div>
  )
}

function Losses(props: { rounds: readonly Api.TrainingRound[]; workers: readonly Coloured[] }) {
  const { rounds, workers } = props
  const look = workers.map(({ number, colour }) => `${number} ${colour}`).join()
  const curves = useMemo(() => curvesOf(rounds, workers), [rounds, look])
  if (curves.length === 0)
    return <Empty title="No loss yet: workers tell theirs after their first round." />
  const [first] = curves
  return (
    <Curves
      curves={curves}
      across="rounds in the model"
      formatAcross={count}
      summary={`The loss went from ${lossText(first!.points[0]![1])} to ${lossText(first!.points.at(-1)![1])}.`}
    />
  )
}

function curvesOf(
  rounds: readonly Api.TrainingRound[],
  workers: readonly Coloured[],
): readonly Curve[] {
  const heldOut = rounds.flatMap(({ round, heldOut: loss }) =>
    loss === null ? [] : [[round, loss] as const],
  )
  const own = workers.slice(0, 12).map(({ number, colour, standing }): Curve => ({
    label: `worker ${number}${standing === 'convicted' ? ' (convicted)' : ''}`,
    colour,
    points: rounds.flatMap(({ round, workers: shares }) => {
      const loss = shares.find(({ worker }) => worker === number)?.loss
      return loss === undefined || loss === null ? [] : [[round, loss] as const]
    }),
  }))
  const whole: Curve = { label: 'held out', colour: 'ink', strong: true, points: heldOut }
  return [whole, ...own].filter(({ points }) => points.length > 0)
}

function sumsOf(run: Api.TrainingRun) {
  const { steps, payloadBytes, sentBytes, audits, takeovers, repeated } = run
  return [
    ['Loss', `${lossText(run.firstLoss)} → ${lossText(run.loss)}`],
    ['Steps that count', count(steps)],
    ['Payloads', bytes(payloadBytes)],
    ['A step', steps > 0 && `${bytes(payloadBytes / steps)} of payloads`],
    ['On the wire', bytes(sentBytes)],
    ['Segments run again', auditWords(audits)],
    ['Earned', `${usd(run.paid)} of ${usd(run.budget)}`],
    ['Held until audits were likely', Number(run.held) > 0 && usd(run.held)],
    ['Coordinators', count(takeovers + 1)],
    ['Rounds repeated', repeated > 0 ? count(repeated) : undefined],
    ['Began', dateTime(run.startedAt)],
    ['Took', span(run.heardAt - run.startedAt)],
  ] as const
}

function orderOf({ run, order }: Api.TrainingDetail) {
  const id = (hash: string) => <code title={hash}>{short(hash)}</code>
  return [
    ['Buyer', <Account address={run.buyer} />],
    ['Rounds', `${count(run.rounds)} of ${count(order.steps)} steps`],
    ['Workers', `${count(order.minWorkers)} to ${count(order.maxWorkers)}`],
    ['Sent of 4,096', `${count(order.kept[0])} at first, ${count(order.kept[1])} at last`],
    ['Outer rate', order.outerRate],
    ['Run again', `${percent(order.auditShare)} of the segments`],
    ['Pays', `${usd(order.price)} a step`],
    ['Tier', run.tier],
    ['Program', id(order.graph)],
    ['First state', id(order.start)],
    ['Data', id(order.data)],
  ] as const
}

const standings = {
  active: ['good', 'works'],
  gone: ['plain', 'gone'],
  convicted: ['bad', 'convicted'],
} as const

const workerColumns: readonly Column<Coloured>[] = [
  {
    label: 'Worker',
    phone: 'bare',
    cell: ({ number, address, colour }) => (
      <span class="worker">
        <i class="key" style={{ background: `var(--${colour})` }} aria-hidden="true" />
        <b>{number}</b> <Account address={address} />
      </span>
    ),
  },
  {
    label: 'Standing',
    phone: 'bare wide',
    cell: ({ standing, reason }) => {
      const [tone, word] = standings[standing]
      return (
        <span class="stack">
          <span class={`state ${tone}`}>
            <Tone tone={tone} />
            {word}
          </span>
          {standing !== 'active' && reason && <span class="small">{reasonWords(reason)}</span>}
        </span>
      )
    },
  },
  { label: 'Rounds', number: true, cell: ({ rounds }) => count(rounds) },
  { label: 'Steps', number: true, cell: ({ steps }) => count(steps) },
  { label: 'Loss', number: true, cell: ({ loss }) => lossText(loss) },
  { label: 'Payloads', number: true, cell: ({ payloadBytes }) => bytes(payloadBytes) },
  { label: 'Sent', number: true, cell: ({ sentBytes }) => bytes(sentBytes) },
  { label: 'Received', number: true, cell: ({ receivedBytes }) => bytes(receivedBytes) },
  { label: 'Run again', cell: ({ audits }) => auditWords(audits) },
  { label: 'Earned', number: true, cell: ({ earned }) => usd(earned) },
]

/** What befell workers and rounds; audits that found nothing are many, and shown when asked for. */
function Events({ events, start }: { events: readonly Api.TrainingEvent[]; start: number }) {
  const [all, setAll] = useState(false)
  const shown = events.filter(({ code }) => all || code !== 'audit-valid')
  return (
    <Card
      title="What happened"
      aside={
        <div class="filters">
          <label class="field">
            <input type="checkbox" checked={all} onChange={() => setAll(!all)} />
            <span>with audits that found nothing</span>
          </label>
        </div>
      }
    >
      <ol class="timeline">
        {shown.map((event, index) => (
          <li key={`${shown.length - index} ${event.code}`} class={eventTone(event.code)}>
            <div class="when">
              <time dateTime={new Date(event.at).toISOString()} title={dateTime(event.at)}>
                {clockTime(event.at)}
              </time>
              <span>+{span(Math.max(0, event.at - start))}</span>
            </div>
            <div class="what">
              <p class="sentence">{eventWords(event)}</p>
              <div class="by">
                <code class="code">{event.code}</code>
                <span>after {count(event.round)} rounds</span>
              </div>
            </div>
          </li>
        ))}
      </ol>
    </Card>
  )
}

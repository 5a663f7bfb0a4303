import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import type * as Api from '../../../src/indexer/Api.ts'

/** One view: its heading takes the focus when the reader arrives. */
export function Page(props: {
  title: string
  heading?: ComponentChildren
  lead?: ComponentChildren
  children: ComponentChildren
}) {
  const { title, heading = title, lead, children } = props
  useEffect(() => {
    document.title = title === 'Weft' ? 'Weft' : `${title} · Weft`
  }, [title])
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>{heading}</h1>
        {lead && <div class="lead">{lead}</div>}
      </div>
      {children}
    </>
  )
}

/** A titled part of a view. */
export function Card(props: {
  title: string
  aside?: ComponentChildren
  class?: string
  children: ComponentChildren
}) {
  return (
    <section class={`card ${props.class ?? ''}`}>
      <div class="card-head">
        <h2>{props.title}</h2>
        {props.aside}
      </div>
      {props.children}
    </section>
  )
}

/** What stands where nothing is yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg viewBox="0 0 48 24" width="72" height="36" aria-hidden="true">
        <path d="M2 6h44M2 12h44M2 18h44" />
        <path class="cross" d="M10 2v20M19 2v20M28 2v20M37 2v20" />
      </svg>
      <p class="empty-title">{title}</p>
      {children && <div>{children}</div>}
    </div>
  )
}

/** Shows `children` of the data, or why there is none. */
export function Loaded<body>(props: {
  of: { data: body | undefined; problem: Api.Problem | undefined }
  children: (data: body) => ComponentChildren
}) {
  const { data, problem } = props.of
  if (problem)
    return (
      <Empty title={problem.status === 404 ? 'Nothing is known of this here.' : problem.title}>
        <p>{problem.detail}</p>
        {problem.status === 404 && (
          <p>It may be older than this explorer remembers, or belong to another network.</p>
        )}
      </Empty>
    )
  if (data === undefined) return <p class="loading">Loading …</p>
  return <>{props.children(data)}</>
}

/** A small ring or disc or cross: the same shapes as in the cloth. */
export function Tone({ tone }: { tone: 'good' | 'bad' | 'wait' | 'plain' | 'run' }) {
  return <i class={`stitch ${tone}`} aria-hidden="true" />
}

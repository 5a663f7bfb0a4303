import { useEffect, useState } from 'preact/hooks'

/** Where the reader is, from the part of the address after `#`. */
export type Place = {
  readonly view:
    | 'overview'
    | 'providers'
    | 'jobs'
    | 'leases'
    | 'orders'
    | 'disputes'
    | 'training'
    | 'money'
    | 'unknown'
  readonly id: string | undefined
}

const views = ['providers', 'jobs', 'leases', 'orders', 'disputes', 'training', 'money'] as const

export function parsePlace(hash: string): Place {
  const [, name = '', id] = /^#?\/?([a-z]*)\/?(0x[0-9a-f]{40,64})?$/.exec(hash) ?? [
    '',
    '?',
    undefined,
  ]
  if (name === '') return { view: 'overview', id: undefined }
  const view = views.find((known) => known === name)
  return view ? { view, id } : { view: 'unknown', id: undefined }
}

/** The current place; a new one scrolls to the top and moves the focus to the heading. */
export function usePlace(): Place {
  const [place, setPlace] = useState(() => parsePlace(location.hash))
  useEffect(() => {
    const follow = () => {
      setPlace(parsePlace(location.hash))
      scrollTo(0, 0)
      requestAnimationFrame(() =>
        document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true }),
      )
    }
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return place
}

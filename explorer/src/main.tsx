import '@fontsource-variable/ibm-plex-sans/wght.css'
import '@fontsource/ibm-plex-mono/400.css'
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { render } from 'preact'
import { App } from './App.tsx'
import { connect } from './live.ts'

connect()
render(<App />, document.getElementById('app')!)

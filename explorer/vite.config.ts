import { defineConfig } from 'vite'

/** `weft explorer` serves the built page; `npx vite` serves it while it is being worked on. */
export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { target: 'es2022', assetsInlineLimit: 0, reportCompressedSize: false },
  server: { host: '127.0.0.1', proxy: { '/api': 'http://127.0.0.1:8788' } },
})

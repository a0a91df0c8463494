import { defineConfig } from 'vitest/config';

// `onemap serve` answers the API; `npm run dev` borrows it from the address below.
const apiOrigin = process.env.API_ORIGIN ?? 'http://127.0.0.1:8000';
const apiPaths = ['/api', '/tiles', '/gaps', '/scenarios', '/circles', '/ogc', '/search', '/jobs', '/healthz', '/readyz'];

export default defineConfig({
  base: './', // every address stays relative, so the site also works below a path prefix
  build: {
    outDir: '../static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // a data: font or image would need a wider content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1600,
    rolldownOptions: { input: { index: 'index.html' } },
  },
  worker: { format: 'es' },
  server: { proxy: Object.fromEntries(apiPaths.map((path) => [path, apiOrigin])) },
  test: { environment: 'happy-dom', setupFiles: ['tests/setup.ts'], include: ['tests/**/*.test.{ts,tsx}'] },
});

import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const { HOST = '127.0.0.1', PORT = '3000', API_URL = 'http://127.0.0.1:8000' } = process.env;

/** The same answer as in production (see Caddyfile). */
const health: Plugin = {
  name: 'health',
  configureServer(server) {
    server.middlewares.use('/healthz', (_, response) => {
      response.end();
    });
  },
};

export default defineConfig({
  plugins: [react(), health],
  server: {
    host: HOST,
    port: Number(PORT),
    strictPort: true,
    proxy: { '/api': { target: API_URL, xfwd: true } },
  },
  test: { environment: 'happy-dom', restoreMocks: true, setupFiles: './src/test-setup.ts' },
});

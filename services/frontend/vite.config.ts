import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { telemetry } from './vite/telemetry.ts';

const { HOST = '127.0.0.1', PORT = '3000', API_URL = 'http://127.0.0.1:8000' } = process.env;

export default defineConfig({
  plugins: [react(), tailwindcss(), telemetry(process.env)],
  resolve: { tsconfigPaths: true },
  server: {
    host: HOST,
    port: Number(PORT),
    strictPort: true,
    proxy: { '/api': { target: API_URL, xfwd: true } },
    warmup: { clientFiles: ['./src/main.tsx'] },
  },
  test: {
    restoreMocks: true,
    silent: 'passed-only',
    // A busy machine takes long to build, and to load what is loaded lazily.
    testTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'page',
          include: ['src/**/*.test.{ts,tsx}'],
          environment: 'happy-dom',
          setupFiles: './src/test/setup.ts',
        },
      },
      { extends: true, test: { name: 'build', include: ['tests/*.test.ts'] } },
    ],
  },
});

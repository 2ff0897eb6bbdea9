import { defineConfig } from '@hey-api/openapi-ts';

export default defineConfig({
  input: '../../contracts/openapi.json',
  output: 'src/client',
  logs: { file: false },
  plugins: [
    '@hey-api/typescript',
    { name: '@hey-api/sdk', responseStyle: 'data' },
    {
      name: '@hey-api/client-fetch',
      baseUrl: false,
      throwOnError: true,
      runtimeConfigPath: '@/lib/api',
    },
  ],
});

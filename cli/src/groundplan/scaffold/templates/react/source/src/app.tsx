import { useSystemInfo } from './use-system-info.ts';

export function App() {
  const { answer, retry } = useSystemInfo();
  return (
    <main>
      <h1>Service Name</h1>
      {answer.state === 'loading' && <p role="status">Asking the API…</p>}
      {answer.state === 'failed' && (
        <div role="alert">
          <p>{answer.message}</p>
          <button type="button" onClick={retry}>
            Try again
          </button>
        </div>
      )}
      {answer.state === 'loaded' && (
        <dl>
          <dt>API</dt>
          <dd>
            {answer.info.name} {answer.info.version}
          </dd>
          <dt>Environment</dt>
          <dd>{answer.info.environment}</dd>
        </dl>
      )}
    </main>
  );
}

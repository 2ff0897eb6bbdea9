import { createLogger } from './logger.ts';
import { readSettings, SettingsError } from './settings.ts';
import { startTelemetry } from './tracing.ts';
import { startWorker } from './worker.ts';

async function run(): Promise<void> {
  const settings = readSettings(process.env);
  const logger = createLogger(settings.logLevel);
  const stopTelemetry = await startTelemetry(settings, logger);
  const worker = await startWorker(settings, logger);

  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, 'worker.stopping');
    await worker.stop();
    await stopTelemetry();
    logger.info('worker.stopped');
    // A handler that ignored its signal must not keep the process.
    process.exit(0);
  };
  let stopped: Promise<void> | undefined;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      stopped ??= stop(signal);
    });
  }
  logger.info({ port: worker.port }, 'worker.started');
}

try {
  await run();
} catch (error) {
  console.error(error instanceof SettingsError ? error.message : error);
  process.exit(1);
}

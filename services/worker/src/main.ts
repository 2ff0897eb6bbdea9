import { createLogger, type Logger } from './logger.ts';
import { readSettings, SettingsError, type Settings } from './settings.ts';
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

/** Loads the SDK only where telemetry is on. */
async function startTelemetry(settings: Settings, logger: Logger): Promise<() => Promise<void>> {
  if (!settings.telemetry) return () => Promise.resolve();
  const telemetry = await import('./telemetry.ts');
  return telemetry.startTelemetry(settings.telemetry, logger);
}

try {
  await run();
} catch (error) {
  console.error(error instanceof SettingsError ? error.message : error);
  process.exit(1);
}
